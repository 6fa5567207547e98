"""A growing list of solids and parts, while an anatomy is put together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dfd.phantom.geometry import Floats, Part, Solids, Vector, turned_shape


class Assembly:
    """Solids are named by their index; parts refer to them."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._centres: list[Floats] = []
        self._shapes: list[Floats] = []
        self.parts: list[Part] = []

    def solid(self, centre: Vector, semi_axes: Vector, turn_deg: float = 0.0) -> int:
        """Add an ellipsoid with semi-axes in mm, turned about z, and return its index."""
        return self.shaped(np.array(centre), turned_shape(semi_axes, turn_deg))

    def shaped(self, centre: Floats, shape: Floats) -> int:
        """Add an ellipsoid: shape ``[3, 3]`` in mm^2, ``centre`` ``[3]``; return its index."""
        self._centres.append(np.asarray(centre, dtype=np.float64))
        self._shapes.append(shape)
        return len(self._centres) - 1

    def centre(self, index: int) -> Floats:
        """Centre ``[3]`` of a solid in mm."""
        return self._centres[index]

    def shape(self, index: int) -> Floats:
        """Shape ``[3, 3]`` of a solid in mm^2."""
        return self._shapes[index]

    def fill(
        self,
        solids: Iterable[int],
        change: tuple[str, str],
        exclude: Iterable[int] = (),
        within: tuple[int, ...] = (),
    ) -> None:
        """Fill the union of some solids with a tissue.

        Each leaves out those before it, so nothing counts twice.

        Args:
            solids: What to fill.
            change: The tissue, and the host that fills the place already.
            exclude: Solids to leave out.
            within: Solids that all of it must lie in; the rest is cut off.
        """
        excluded = list(exclude)
        for index in solids:
            self.parts.append(Part((index, *within), tuple(excluded), *change))
            excluded.append(index)

    def solids(self) -> Solids:
        """All solids so far."""
        return Solids(np.stack(self._centres), np.stack(self._shapes))
