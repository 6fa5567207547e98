"""Which crops an epoch draws: the sampler and the data sets of crops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from monai.data import CacheDataset
from torch.utils.data import Dataset, WeightedRandomSampler

from dfd.bundle.keys import Keys
from dfd.progress import Progress, progress

LARGEST_SEED = 2**63 - 1


class WeightedDraws(WeightedRandomSampler):
    """Pairs (place of the slice, seed of the crop), ``num_samples`` an epoch.

    Slices in proportion to ``weights``.

    The seeds are handed out with the places, before any reader process is asked: what is drawn does
    not hang on their number. All come from ``generator``, which is the sampler's own and which the
    training journal seeds for each epoch.
    """

    def __init__(self, weights: Sequence[float], num_samples: int) -> None:
        super().__init__(weights, num_samples, generator=torch.Generator())

    def __iter__(self) -> Iterator[Any]:
        places = list(super().__iter__())
        seeds = torch.randint(LARGEST_SEED, (len(places),), generator=self.generator).tolist()
        return zip(places, seeds, strict=True)


class CachedSlices(CacheDataset):
    """MONAI's ``CacheDataset``, which says how far it is as everything else of this program does.

    Arguments are those of ``CacheDataset`` but ``progress``.
    """

    def __init__(self, data: Sequence[Any], transform: Any, **options: Any) -> None:
        super().__init__(data, transform, progress=False, **options)

    def _fill_cache(self, indices: Any = None) -> list[Any]:
        with Progress(
            "reading slices", self.cache_num if indices is None else len(indices)
        ) as shown:
            self._loaded = shown.update
            try:
                filled: list[Any] = super()._fill_cache(indices)
            finally:
                del (
                    self._loaded
                )  # reader processes get a copy of the data set, and a terminal cannot be copied
        return filled

    def _load_cache_item(self, idx: int) -> Any:
        item = super()._load_cache_item(idx)
        self._loaded()
        return item


class DrawnCrops(Dataset[Mapping[str, Any]]):
    """Crops cut anew: the index is a pair of ``WeightedDraws``, ``data`` holds the slices.

    ``hide`` cuts what ``draw`` stands for.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        hide: Callable[[Mapping[Any, Any]], Mapping[str, Any]],
    ) -> None:
        self.data, self.hide = data, hide

    def __getitem__(self, index: tuple[int, int]) -> Mapping[str, Any]:
        place, draw = index
        return self.hide({**self.data[place], Keys.DRAW: draw})


class FixedCrops(Dataset[Mapping[str, Any]]):
    """One crop per item of ``data``, the same in every epoch.

    Each slice is decoded once, all its crops are cut, and only they are kept.

    Args:
        data: items with ``image``, ``frame`` and ``draw``, in any order.
        transform: item -> slice.
        hide: slice with ``draw`` -> crop.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        transform: Callable[[Mapping[str, Any]], Mapping[Any, Any]],
        hide: Callable[[Mapping[Any, Any]], Mapping[str, Any]],
    ) -> None:
        of_slice: dict[tuple[str, int | None], list[int]] = defaultdict(list)
        for number, item in enumerate(data):
            of_slice[item[Keys.IMAGE], item[Keys.FRAME]].append(number)
        cut: dict[int, Mapping[str, Any]] = {}
        for numbers in progress(of_slice.values(), "reading slices for validation"):
            loaded = transform(data[numbers[0]])
            cut.update(
                {number: hide({**loaded, Keys.DRAW: data[number][Keys.DRAW]}) for number in numbers}
            )
        self.crops = [cut[number] for number in range(len(data))]

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        return self.crops[index]
