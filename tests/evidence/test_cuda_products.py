"""Nothing that evidence computes is refused by CUDA, which multiplies no matrices of integers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dfd.evidence.slice_evidence import SliceEvidence
from dfd.modalities import MODALITIES
from tests.evidence.test_families import OTHERS, REGION, context, prediction

PRODUCTS = {"aten.mm", "aten.mv", "aten.addmm", "aten.addmv", "aten.bmm", "aten.dot"}


class RefusedByCuda(TorchDispatchMode):
    """Refuses products of matrices of integers on the CPU too."""

    def __init__(self) -> None:
        super().__init__()
        self.products = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if str(function).rsplit(".", 1)[0] in PRODUCTS:
            self.products += 1
            kinds = [each.dtype for each in args if isinstance(each, torch.Tensor)]
            if not all(kind.is_floating_point or kind.is_complex for kind in kinds):
                raise NotImplementedError(f"CUDA has no {function} of {kinds}")
        return function(*args, **(kwargs or {}))


def test_a_product_of_integers_is_refused() -> None:
    numbers = torch.arange(4).view(2, 2)
    with RefusedByCuda(), pytest.raises(NotImplementedError):
        numbers @ numbers[0]


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", MODALITIES)
def test_no_family_multiplies_matrices_of_integers(name: str, quick: bool) -> None:
    modality = MODALITIES[name]
    given = prediction(modality)
    evidence = SliceEvidence(given, modality, context(given))
    with RefusedByCuda() as seen:
        evidence.numbers([REGION, *OTHERS], quick=quick)
    assert seen.products > 0
