"""What an endpoint is: a method, a path, and a function from a typed question to a typed answer.

What belongs here: from a request to the question, and from the answer to a response. What does
not: any endpoint. The types of a function are all there is to say of what it takes and gives;
`openapi` reads the same.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from functools import cache, cached_property
from typing import Any, Final, Generic, TypeVar, cast, get_args, get_type_hints
from uuid import UUID

import msgspec
import msgspec.inspect
from msgspec import Struct
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from boundary.jobs.errors import JobsError
from boundary.jobs.shell.aio import AsyncJobs
from boundary.jobs.shell.client import Jobs
from boundary.jobs.shell.hands import LONGEST_NAME
from boundary.jobs.shell.web.access import Visitor
from boundary.jobs.shell.web.guarding import BODY_LIMIT, too_large, visitor_of
from boundary.jobs.shell.web.problems import Refusal, problem, refusal_of

Q_co = TypeVar("Q_co", covariant=True)
B_co = TypeVar("B_co", covariant=True)

JSON_MEDIA: Final = "application/json"


class Ask(Generic[Q_co, B_co]):
    """A question: who asks whom, and what.

    Attributes:
        jobs: The doors.
        query, body: As the endpoint's function annotates them; a body of None is not read.
    """

    def __init__(
        self, jobs: Jobs, visitor: Visitor, path: Mapping[str, str], query: Q_co, body: B_co
    ) -> None:
        self.jobs: AsyncJobs = jobs.aio
        self.door = jobs
        self.visitor = visitor
        self.path = path
        self.query = query
        self.body = body

    @property
    def by(self) -> str:
        """What the audit log calls who asks."""
        name = "".join(letter for letter in self.visitor.name if letter.isprintable())
        return name[:LONGEST_NAME] or self.visitor.role

    @property
    def job_id(self) -> UUID:
        """The id in the path.

        Raises:
            Refusal: It is none.
        """
        return as_uuid(self.path["id"])

    @property
    def name(self) -> str:
        """The name in the path."""
        return self.path["name"]


def as_uuid(text: str) -> UUID:
    """The id.

    Raises:
        Refusal: It is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise Refusal(
            "malformed_id", f"{text!r:.80} is no id; it is a UUID such as 01932c5e-7a3c-…"
        ) from None


class Endpoint:
    """One endpoint.

    Args:
        method: Of HTTP.
        path: Below the API's, with ``{id}`` or ``{name}`` in it.
        call: The function; its first line of docstring is the summary.
        statuses: Those of the refusals that are its own, beside what every endpoint may answer.
        success: The status of its answer, unless the answer's type has one of its own (`http_status`).
        waits: It may take long, and ends when whoever asked goes away.
    """

    def __init__(
        self,
        method: str,
        path: str,
        call: Callable[[Ask[Any, Any]], Coroutine[Any, Any, Any]],
        *statuses: int,
        success: int = 200,
        waits: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.call = call
        self.statuses = statuses
        self.success = success
        self.waits = waits

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self.call)

    @cached_property
    def query(self) -> type[Struct]:
        """What the query holds."""
        return cast("type[Struct]", get_args(self._hints["ask"])[0])

    @cached_property
    def body(self) -> type[Struct] | None:
        """What the body holds; None: there is none."""
        kind = get_args(self._hints["ask"])[1]
        return None if kind is type(None) else cast("type[Struct]", kind)

    @property
    def answer(self) -> Any:
        """The type of the answer."""
        return self._hints["return"]

    @property
    def name(self) -> str:
        """The function's, which is the operation's id."""
        return self.call.__name__

    async def respond(self, request: Request, jobs: Jobs) -> Response:
        """The response to a request."""
        try:
            ask = Ask(
                jobs,
                visitor_of(request),
                request.path_params,
                read_query(request.query_params, self.query),
                None if self.body is None else await read_body(request, self.body),
            )
            answer = self.call(ask)
            answer = await (_while_there(request, answer) if self.waits else answer)
        except JobsError as error:
            return problem(refusal_of(error))
        except Refusal as refusal:
            return problem(refusal)
        return _response(answer, self.status_of(type(answer)))

    def status_of(self, answer: Any) -> int:
        """The status of an answer of this type."""
        return getattr(answer, "http_status", self.success)


def _response(answer: object, status: int) -> Response:
    if answer is None:
        return Response(status_code=status)
    return Response(msgspec.json.encode(answer), status, media_type=JSON_MEDIA)


async def _while_there(request: Request, answer: Coroutine[Any, Any, Any]) -> Any:
    """The answer; it is given up when whoever asked goes away.

    Raises:
        Refusal: They have; nobody reads it.
    """
    waiting, gone = asyncio.create_task(answer), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        raise Refusal("incomplete", "whoever asked did not wait for the answer")
    finally:
        waiting.cancel()
        gone.cancel()
        await asyncio.gather(waiting, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


Q = TypeVar("Q", bound=Struct)


def read_query(given: QueryParams, kind: type[Q]) -> Q:
    """The query as this type has it.

    Raises:
        Refusal: A parameter is unknown, written twice, or no such value.
    """
    values: dict[str, str] = {}
    for name, value in given.multi_items():
        if name in values:
            raise Refusal("invalid_query", f"the parameter {name[:80]!r} is written twice")
        values[name] = value
    read = {
        name: _as_number(value) if name in numbers(kind) else value
        for name, value in values.items()
    }
    try:
        return msgspec.convert(read, kind)
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_fields__) or "none"
        raise Refusal("invalid_query", f"query: {str(error)[:400]} (parameters: {known})") from None


@cache
def numbers(kind: type[Struct]) -> frozenset[str]:
    """The parameters that are whole numbers.

    Only these are read from their text; msgspec's own leniency would take ``null`` for nothing
    and ``0.5`` for an instant, too.
    """
    fields = cast("msgspec.inspect.StructType", msgspec.inspect.type_info(kind)).fields
    return frozenset(
        one.name
        for one in fields
        if any(isinstance(each, msgspec.inspect.IntType) for each in _kinds(one.type))
    )


def _kinds(one: msgspec.inspect.Type) -> tuple[msgspec.inspect.Type, ...]:
    return one.types if isinstance(one, msgspec.inspect.UnionType) else (one,)


def _as_number(text: str) -> int | str:
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text


async def read_body(request: Request, kind: type[Q]) -> Q:
    """The body as this type has it.

    Raises:
        Refusal: It is not JSON, is too large, or no such value.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != JSON_MEDIA:
        raise Refusal("not_json", f"the body is {JSON_MEDIA}, not {media[:80] or 'unnamed'!r}")
    data = await read_bytes(request)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise Refusal("invalid_body", f"body: {str(error)[:400]}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("malformed_json", f"the body is no JSON: {str(error)[:200]}") from None


async def read_bytes(request: Request) -> bytes:
    """The body, up to its limit.

    Raises:
        Refusal: It is too large, or does not arrive.
    """
    data = bytearray()
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > BODY_LIMIT:
                raise too_large()
    except ClientDisconnect:
        raise Refusal("incomplete", "the body did not arrive") from None
    return bytes(data)
