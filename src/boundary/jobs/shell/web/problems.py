"""How an error is told over HTTP: `application/problem+json` (RFC 9457) with a stable code.

What belongs here: the status of each error, and the body that tells it. What does not: raising
one.
"""

from __future__ import annotations

import http

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


class Refusal(Exception):
    """The request is not done, for this reason."""

    def __init__(self, status: int, code: str, detail: str, *, count: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.count = count


_STATUSES: tuple[tuple[str | type[JobsError], int], ...] = (
    ("illegal_transition", 409),
    ("lease_lost", 409),
    ("record", 409),
    ("payload_too_large", 413),
    ("serialization", 422),
    ("unknown_handler", 422),
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
    return Refusal(status_of(error), error.code, error.message)


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
