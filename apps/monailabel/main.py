"""MONAI Label app: asks how unusual a clicked region of a lung CT or chest MR slice is.

A thin adapter to ``dfd.score``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy

import dfd
from dfd.modalities import MODALITIES
from lib.datastore import ScanDatastore
from lib.infer import NOTICE, TamperTask
from lib.refusals import errors_as_sentences, refusal
from lib.scoring import MostSuspicious, TamperScoring

SCORING, STRATEGY = "tampering", "most_suspicious"


class TamperApp(MONAILabelApp):
    """Both models, the scoring method and the strategy.

    ``--conf bundles FOLDER`` takes the bundles of a folder for the shipped ones.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self.tasks = {
            modality.bundle: TamperTask(modality, studies, conf.get("bundles"))
            for modality in MODALITIES.values()
        }
        super().__init__(
            app_dir,
            studies,
            conf,
            name=f"deepfakes-detector {dfd.__version__}",
            description=NOTICE,
            version=dfd.__version__,
        )

    def init_datastore(self) -> Datastore:
        """A folder, whose subfolders count too, or what MONAI Label makes of an address."""
        if self.studies.startswith(("http://", "https://")):
            return super().init_datastore()
        endings = settings.MONAI_LABEL_DATASTORE_FILE_EXT
        return ScanDatastore(
            self.studies, extensions=endings, auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD
        )

    def init_infers(self) -> dict[str, TamperTask]:
        """Name of a bundle -> what answers with it."""
        return self.tasks

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """The one that looks at every image."""
        return {SCORING: TamperScoring(self.tasks)}

    def init_strategies(self) -> dict[str, Strategy]:
        """The one that serves the most suspicious image."""
        return {STRATEGY: MostSuspicious(STRATEGY)}

    def infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """As MONAI Label has it; what is wrong with the request is answered in a sentence."""
        with errors_as_sentences(), tempfile.TemporaryDirectory(prefix="dfd-label-") as folder:
            self._check(request, datastore or self.datastore())
            sent = Path(request["image"])
            if sent.is_file():
                # A file that was sent lies among those of others: alone in a folder it is compared
                # with none of them.
                alone = Path(folder) / sent.name
                alone.symlink_to(sent)
                request = {**request, "image": str(alone)}
            answer: dict[str, Any] = super().infer(request, datastore)
            return answer

    def scoring(
        self, request: dict[str, Any], datastore: Datastore | None = None
    ) -> dict[str, Any]:
        """As MONAI Label has it; see ``infer``."""
        with errors_as_sentences():
            counts: dict[str, Any] = super().scoring(request, datastore)
            return counts

    def next_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """As MONAI Label has it; see ``infer``."""
        with errors_as_sentences():
            sample: dict[str, Any] = super().next_sample(request)
            return sample

    def batch_infer(
        self, request: dict[str, Any], datastore: Datastore | None = None
    ) -> dict[str, Any]:
        """As MONAI Label has it, with two workers on the CPU.

        Its own default divides by zero without a GPU, and one worker gives up at the first image
        that cannot be used.
        """
        return dict(
            super().batch_infer({"multi_gpu": False, "max_workers": 2, **request}, datastore)
        )

    def _download_dcmqi_tools(self) -> None:
        """MONAI Label fetches programs here when the datastore is a DICOMweb server.

        Nothing is fetched at run time.
        """

    def _check(self, request: Mapping[str, Any], datastore: Datastore) -> None:
        """Refuses a model or an image that is not there.

        Raises:
            HTTPException: it is not.
        """
        if request.get("model") not in self.tasks:
            raise refusal(
                f"there is no model {request.get('model')!r}; there are {' and '.join(self.tasks)}",
                404,
            )
        image = str(request.get("image") or "")
        # As MONAI Label does, which takes it for a file that was sent.
        if os.path.exists(image):  # noqa: PTH110
            sent = (
                tempfile.gettempdir(),
                getattr(self.sessions(), "store_path", tempfile.gettempdir()),
            )
            if not any(
                Path(image).resolve().is_relative_to(Path(folder).resolve()) for folder in sent
            ):
                raise refusal(
                    "an image is named by its id, or sent as a file; paths of the server are "
                    "not read"
                )
        elif not datastore.get_image_uri(image):
            raise refusal(
                (
                    f"there is no image {image!r} in the datastore; GET /datastore/?output=all "
                    "lists them"
                ),
                404,
            )
