"""What is wrong with a request reaches the client as one sentence.

Whatever else is raised, MONAI Label answers as a bare "Internal Server Error".
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from monailabel.interfaces.exception import MONAILabelException

from dfd.errors import DfdError

logger = logging.getLogger(__name__)

PARAMS = (
    'the form field `params` must hold a JSON object, such as {"foreground": [[211, 180, 0]]}; '
    'with "map": false ask for output=json'
)


def refusal(sentence: str, status: int = 400) -> HTTPException:
    """The error to raise for a request that cannot be answered."""
    return HTTPException(status, sentence)


def without_row(sentence: str) -> str:
    """A message on a row of the points file, as a client understands it: there is no such file."""
    return re.sub(r"^row \d+: ", "", sentence)


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Errors of the input become sentences, errors of this program one that says so.

    The log has the rest.
    """
    try:
        yield
    except HTTPException:
        raise
    except DfdError as error:
        raise refusal(without_row(str(error))) from error
    except MONAILabelException as error:
        raise refusal(error.msg, 404) from error
    except Exception as error:
        logger.exception("a request failed")
        raise refusal(
            (
                f"this is a fault of the program ({type(error).__name__}); the log of the server "
                "says more"
            ),
            500,
        ) from error


def install(app: FastAPI) -> None:
    """Answers with a sentence to what is raised before the app is reached.

    To be called before the server starts.
    """

    def params(request: Request, error: Exception) -> JSONResponse:
        logger.warning("a request to %s could not be read: %s", request.url.path, error)
        return JSONResponse(
            {
                "detail": PARAMS
                if "/infer/" in request.url.path
                else "the body must hold a JSON object"
            },
            400,
        )

    def missing(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": getattr(error, "msg", str(error))}, 404)

    # What the endpoint raises over `params` (not JSON, or JSON that is no object) and over a map
    # that was not asked for.
    for kind in (ValueError, TypeError):
        app.add_exception_handler(kind, params)
    app.add_exception_handler(MONAILabelException, missing)
