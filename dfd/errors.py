"""The errors a caller may want to catch.

Every message is one sentence: what, got what, where, and how to mend it.
"""

from __future__ import annotations

import re

from dfd.sentences import Sentence, marked

_BLANK = re.compile(r"[\t-\r\x1c-\x1f\x85\u2028\u2029]")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, signs that turn the direction of writing, and bytes of a name that are no
text."""


class DfdError(Exception):
    """Anything that is wrong with the input.

    The model or the machine rather than with this program.
    """

    def __init__(self, sentence: str = "") -> None:
        """``sentence`` may have names marked in it; whoever reads the error sees no marks.

        What a file or a folder put into it cannot break it into lines or command a terminal.
        """
        super().__init__(Sentence(_line(marked(sentence))))

    @property
    def sentence(self) -> Sentence:
        """The message, which knows where names stand in it."""
        return Sentence(self.args[0])


def _line(text: str) -> str:
    """``text`` as one line.

    A reader process of torch hands a whole traceback over, the message last.
    """
    if text.startswith("Caught ") and "Original Traceback" in text:
        text = text.strip().splitlines()[-1].partition(": ")[2]
    return _UNSEEN.sub("?", _BLANK.sub(" ", text))


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
