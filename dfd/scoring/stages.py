"""The stages of a run that need torch: reading ahead, network, evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch.utils.data import DataLoader, Dataset

from dfd.modalities import Modality
from dfd.models import model_file
from dfd.prediction.devices import device_of
from dfd.prediction.network import shipped_network
from dfd.prediction.predict import predict_slice
from dfd.reading.pixel_values import pixels_of
from dfd.records import Prediction
from dfd.scoring import freed_memory
from dfd.scoring.assessing import SliceAssessor
from dfd.scoring.loading import SliceLoader
from dfd.scoring.pipeline import Behind, ahead
from dfd.scoring.results import RunResults
from dfd.scoring.slices import AssessedSlice, LoadedSlice, SliceRequest, slice_requests
from dfd.settings import ScoreSettings

TOGETHER = 4
"""Slices that are predicted and assessed at once, at most: each takes some 200 MB. Small operations
gain little from a second core, so a core for each of two slices is quicker than both for one."""


class Stages:
    """Read, predict, assess: each a function of one slice.

    Raises:
        BundleError: the device is not there, or the weights are not those of ``modality``.
    """

    def __init__(self, settings: ScoreSettings, modality: Modality) -> None:
        self.settings, self.modality = settings, modality
        self.network = shipped_network().to(device_of(settings.device)).eval()
        model_file.put_into(self.network, model_file.load(settings.model), modality.bundle)
        self.device = next(self.network.parameters()).device
        self.threads = torch.get_num_threads()
        self.loader = SliceLoader(modality, settings.data, context=settings.context)

    def run(self, results: RunResults) -> None:
        """Adds every slice to ``results`` that is not finished yet."""
        done = results.collected.done
        requests = [
            each
            for each in slice_requests(results.points)
            if not {point.row for point in each.points} <= done
        ]
        assessor = SliceAssessor(replace(results.criteria, device=str(self.device)))
        here = results.options.log.listen_here
        together = max(1, min(self.threads, len(requests), TOGETHER))
        freed_memory.share_one_heap()

        def begin() -> None:
            here()
            torch.set_num_threads(max(1, self.threads // together))

        def answer(loaded: LoadedSlice) -> tuple[LoadedSlice, AssessedSlice]:
            return loaded, assessor.assess(loaded, self.predict(loaded))

        exact = {"enabled": True, "benchmark": False, "deterministic": True, "allow_tf32": False}
        try:
            with torch.backends.cudnn.flags(**exact), Behind(here) as writing:
                slices = self._loaded(requests, here)
                answers = ahead(answer, slices, begin, together)
                for number, (loaded, assessed) in enumerate(answers, start=1):
                    writing.do(partial(results.add, loaded, assessed))
                    if number % freed_memory.SLICES == 0:
                        freed_memory.give_back_freed_memory()
        finally:
            # Each thread has set that of threads begun later.
            torch.set_num_threads(self.threads)

    def predict(self, loaded: LoadedSlice) -> Prediction | None:
        """What the network expects in each pixel; None where the slice could not be read."""
        if loaded.scan is None:
            return None
        return predict_slice(pixels_of(loaded.scan), self.network, self.modality)

    def _loaded(
        self, requests: Sequence[SliceRequest], begin: Callable[[], object]
    ) -> Iterable[LoadedSlice]:
        """Slices in order, read by a thread or by as many processes as there are workers."""
        if not self.settings.workers:
            return ahead(self.loader.load, requests, begin)
        slices = _Requests(self.loader, requests)
        read: Iterable[LoadedSlice] = DataLoader(
            slices, batch_size=None, num_workers=self.settings.workers, collate_fn=_as_it_is
        )
        return read


def _as_it_is(loaded: LoadedSlice) -> LoadedSlice:
    return loaded


class _Requests(Dataset[LoadedSlice]):
    """Slices for reader processes."""

    def __init__(self, loader: SliceLoader, requests: Sequence[SliceRequest]) -> None:
        self._loader, self._requests = loader, requests

    def __len__(self) -> int:
        return len(self._requests)

    def __getitem__(self, number: int) -> LoadedSlice:
        return self._loader.load(self._requests[number])
