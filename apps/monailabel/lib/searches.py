"""What OHIF asks an archive for reaches it.

MONAI Label's proxy passes the path on and drops what stands behind the question mark: OHIF then
gets all studies whatever it searched for, and lists them as further studies of one patient.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

PROXY = "/proxy/dicom/"


class Searches:
    """Puts the query of a request to the proxy where the proxy passes it on: into the path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        query = scope.get("query_string", b"").decode("latin-1")
        if query and scope["type"] == "http" and scope["path"].startswith(PROXY):
            scope = {**scope, "path": f"{scope['path']}?{query}"}
        await self.app(scope, receive, send)


def install(app: FastAPI) -> None:
    """To be called before the server starts."""
    app.add_middleware(Searches)
