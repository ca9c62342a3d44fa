"""The files of the web page: built by Vite into rover/web/static, part of the wheel.

Files under /assets/ carry a hash in their name and may be kept for ever; everything else is asked for again. A path
without a file, and without an ending, is a view of the page: it gets index.html, which reads the address itself.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

KEPT = "public, max-age=31536000, immutable"
ASKED_AGAIN = "no-cache"

_MISSING = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>rover: no page</title>
<h1>The web page is not built</h1>
<p>The API works: <a href="/api/services">/api/services</a>, <a href="/openapi.json">/openapi.json</a>.</p>
<p>To build the page: <code>make build</code> in rover's folder. A wheel has it built in.</p>
</html>
"""


class PageFiles(StaticFiles):
    """The built page, or what to do when it is not built."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, check_dir=False)
        self._index = directory / "index.html"

    async def check_config(self) -> None:
        """Nothing: a missing folder is answered, not raised."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or index.html for a view, or 404."""
        if not self._index.is_file():
            return HTMLResponse(_MISSING, 503, {"Cache-Control": "no-store"})
        if path in ("", ".", "index.html") or is_view(path):
            return FileResponse(self._index, headers={"Cache-Control": ASKED_AGAIN})
        try:
            response = await super().get_response(path, scope)
        except (HTTPException, ValueError, OSError) as error:
            # ValueError: a NUL in the path; OSError: a name that is too long.
            raise HTTPException(404) from error
        response.headers["Cache-Control"] = KEPT if path.startswith("assets/") else ASKED_AGAIN
        return response


def is_view(path: str) -> bool:
    """Whether a path names a view of the page: services and exchanges may have dots in their names, files do too."""
    first, _, rest = path.partition("/")
    return first in ("services", "exchanges", "nodes") if rest else "." not in first and first != "api"


def built_page() -> Path:
    """Where the build puts the page."""
    return Path(str(resources.files("rover"))) / "web" / "static"
