"""A run from the lock on its folder to the end of its ledger."""

from __future__ import annotations

from collections.abc import Callable

from dfd.outputs import lock, run_log
from dfd.outputs.anonymous import tell_columns_left_out
from dfd.records import Finding
from dfd.scoring.results import RunResults


def recorded(
    results: RunResults, device: str, threads: int, work: Callable[[], object]
) -> list[Finding]:
    """Does the work of a run, and writes the outputs also where it is stopped midway.

    Args:
        results: which ``work`` adds to.
        device: that the network is on.
        threads: that torch uses.
        work: scores every slice that is not finished yet; not called where no row can be scored.

    Raises:
        OutputError: another run writes into the same folder.
    """
    log, anonymous = results.options.log, results.settings.anonymous
    with lock.held(results.folder, "wait until it has ended, or choose another output folder"):
        with log.listening():
            results.begin(device, threads)
        with run_log.kept(log, results.folder, anonymous=anonymous):
            if anonymous:
                tell_columns_left_out(results.points)
            try:
                _score(results, work)
                return results.finish()
            finally:
                results.keeping.pause()


def _score(results: RunResults, work: Callable[[], object]) -> None:
    """Scores what is not finished; where that is stopped, what is there is written."""
    try:
        results.open()
        if any(not point.error for point in results.points):
            work()
    except BaseException:
        results.stop()
        raise
