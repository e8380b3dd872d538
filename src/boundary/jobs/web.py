"""The door over HTTP: an ASGI app with the API and the dashboard, to serve or to mount.

What belongs here: public names. What does not: code (`shell.web`). Needs the extra ``web``:
``pip install 'boundary-jobs[web]'``.

    app = FastAPI()
    app.mount("/background", create_app(jobs, auth=TokenAuth("…")))
"""

from __future__ import annotations

from boundary.jobs.errors import UsageError

try:
    from boundary.jobs.shell.web.access import BasicAuth, Role, TokenAuth, Visitor
    from boundary.jobs.shell.web.app import create_app
except ModuleNotFoundError as _missing:
    if (_missing.name or "").partition(".")[0] not in {"starlette", "jinja2", "anyio"}:
        raise
    raise UsageError(
        "the dashboard needs what the extra 'web' brings: pip install 'boundary-jobs[web]'"
    ) from _missing

__all__ = ["BasicAuth", "Role", "TokenAuth", "Visitor", "create_app"]
