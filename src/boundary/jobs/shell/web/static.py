"""Scripts, styles and pictures of the dashboard, served from the package.

What belongs here: the files under `static/`, each at an address that changes with its content, so
that browsers may keep it for good.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_MEDIA: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Files:
    """The files, read once."""

    def __init__(self) -> None:
        folder = files("boundary.jobs.shell.web") / "static"
        self._contents = {one.name: one.read_bytes() for one in folder.iterdir()}
        self._marks = {
            name: hashlib.sha256(content).hexdigest()[:12]
            for name, content in self._contents.items()
        }

    def address(self, name: str) -> str:
        """Where a file is, below where the app is mounted."""
        return f"/static/{name}?v={self._marks[name]}"

    async def serve(self, request: Request) -> Response:
        """The file named in the path."""
        name = request.path_params["name"]
        content = self._contents.get(name)
        if content is None:
            raise HTTPException(404)
        media = _MEDIA[name.rpartition(".")[2]]
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(content, headers=headers, media_type=media)
