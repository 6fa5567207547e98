"""The errors a caller may want to catch. Every message is one sentence: what, got what, where, and how to mend it."""

from __future__ import annotations

from dfd.sentences import Sentence


class DfdError(Exception):
    """Anything that is wrong with the input, the model or the machine rather than with this program."""

    def __init__(self, sentence: str = "") -> None:
        """``sentence`` may have names marked in it; whoever reads the error sees no marks."""
        super().__init__(Sentence(sentence))

    @property
    def sentence(self) -> Sentence:
        """The message, which knows where names stand in it."""
        return Sentence(self.args[0])


class SeriesError(DfdError):
    """A file or series cannot be read as a scan, or is not what the model was made for."""


class PointsError(DfdError):
    """The points file as a whole cannot be used (a single bad row is a result, not an error)."""


class BundleError(DfdError):
    """A bundle, its configuration or its weights cannot be used."""


class CalibrationError(DfdError):
    """A calibration table is missing, damaged, or belongs to other weights."""


class OutputError(DfdError):
    """Results cannot be written."""


class UsageError(DfdError):
    """The command line asks for something that does not exist."""


class RemoteError(DfdError):
    """An archive cannot be reached, or does not hold or take what it should."""


class InterruptedRunError(DfdError):
    """A run stopped for lack of memory, disk or time; what it left behind can be resumed."""
