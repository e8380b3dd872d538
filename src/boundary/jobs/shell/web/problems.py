"""How an error is told over HTTP: `application/problem+json` (RFC 9457) with a stable code.

What belongs here: the status of each error, and the body that tells it. What does not: raising
one.
"""

from __future__ import annotations

import http
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response

from boundary.jobs.errors import BackendError, JobsError, ResultError, UsageError

MEDIA = "application/problem+json"


class Problem(Struct, frozen=True, kw_only=True):
    """Why a request was not done.

    Attributes:
        type: What kind of problem, as an address that is stable.
        title: The status in words.
        status: The status.
        code: What kind of problem, as a stable word for programs.
        detail: The sentence for people: culprit, data, remedy.
        count: On how many jobs the request would act, when that is to be confirmed.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    count: int | UnsetType = UNSET


class Kind(Struct, frozen=True):
    """What a code says: the status of such an answer, why it is given, and what helps."""

    status: int
    means: str
    remedy: str


CODES: Final[dict[str, Kind]] = {
    "invalid_query": Kind(400, "A parameter is unknown, given twice, or no such value.",
                          "`detail` names it, and the parameters there are."),
    "malformed_id": Kind(400, "The id in the path is no UUID.", "Take it from an answer of this API."),
    "malformed_json": Kind(400, "The body is no JSON.", "Mend it; `detail` says where it breaks."),
    "incomplete": Kind(400, "Whoever asked went away before the end.", "Ask again."),
    "unauthenticated": Kind(401, "No credentials came, or none that are known here.",
                            "Send a token, or name and password; `WWW-Authenticate` says which."),
    "not_operator": Kind(403, "A viewer asked for a change.", "Ask with an operator's credentials."),
    "no_auth": Kind(403, "The app has no auth, and who asks is not on this machine.",
                    "Give the app auth (`--token`, `create_app(jobs, auth)`), or ask by `127.0.0.1`."),
    "cross_origin": Kind(403, "A page of another origin asked for a change.",
                         "Ask from the dashboard, from a program, or with a bearer token."),
    "no_such_route": Kind(404, "Nothing is at this path.", "`/openapi.json` tells the paths."),
    "worker_not_found": Kind(404, "No live worker has this id, host:pid or process id.",
                             "`GET /workers` tells those there are."),
    "schedule_not_found": Kind(404, "No schedule has this name.", "`GET /schedules` tells the names."),
    "method_not_allowed": Kind(405, "The path does not take this method.", "`Allow` tells those it takes."),
    "confirm_count": Kind(409, "`confirm` is missing, or another number than the request acts on.",
                          "Look, and send the `count` of the answer as `confirm`."),
    "body_too_large": Kind(413, "The body is above 1 MiB.", "Store the data elsewhere, and pass where it is."),
    "not_json": Kind(415, "The body is not sent as JSON.", "Send `Content-Type: application/json`."),
    "invalid_body": Kind(422, "A member of the body is unknown, missing, or no such value.",
                         "`detail` names it."),
    "arguments": Kind(422, "The handler does not take these arguments.", "`detail` names the one."),
    "not_a_form": Kind(415, "A form of the dashboard came as something else.", "Use the page, or this API."),
    "malformed_form": Kind(400, "A form of the dashboard cannot be read.", "Load the page again."),
    "invalid_form": Kind(400, "A field of a form of the dashboard is no such value.", "The page names it."),
    "refused": Kind(400, "The web framework refused the request; with a status of its own.",
                    "The status tells."),
    "internal": Kind(500, "A fault of this library.", "Report it; the app's log has the details."),
}  # fmt: skip
"""The codes that are this app's own, besides those of `errors`. `docs/generate.py` writes them down."""


class Refusal(Exception):
    """The request is not done, for this reason.

    Args:
        code: One of `CODES`, or with a `status` that of an error.
    """

    def __init__(
        self, code: str, detail: str, *, status: int | None = None, count: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status: int = CODES[code].status if status is None else status
        self.code = code
        self.detail = detail
        self.count = count


_STATUSES: tuple[tuple[str | type[JobsError], int], ...] = (
    ("illegal_transition", 409),
    ("lease_lost", 409),
    ("record", 409),
    ("payload_too_large", 413),
    ("serialization", 422),
    ("cron", 422),
    ("job_not_found", 404),
    ("result_timeout", 202),
    (ResultError, 409),
    (UsageError, 400),
    (BackendError, 503),
)


def status_of(error: JobsError) -> int:
    """The status of an error: 4xx if the request is the cause, 503 if the store is.

    A job that has not ended yet is no refusal: `GET /{id}/result` tells how it stands.
    """
    for kind, status in _STATUSES:
        if error.code == kind if isinstance(kind, str) else isinstance(error, kind):
            return status
    return 400


def refusal_of(error: JobsError) -> Refusal:
    """The error as a refusal."""
    return Refusal(error.code, error.message, status=status_of(error))


def problem(refusal: Refusal, headers: dict[str, str] | None = None) -> Response:
    """The refusal as a response."""
    body = Problem(
        type=f"urn:boundary-jobs:problem:{refusal.code}",
        title=http.HTTPStatus(refusal.status).phrase,
        status=refusal.status,
        code=refusal.code,
        detail=refusal.detail,
        count=UNSET if refusal.count is None else refusal.count,
    )
    given = dict(headers or {})
    if refusal.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        given["Retry-After"] = "1"
    return Response(msgspec.json.encode(body), refusal.status, given, MEDIA)
