"""The API described for programs: OpenAPI 3.1 from the endpoints' own types.

What belongs here: the document. What does not: anything it says that the types do not know.
"""

from __future__ import annotations

import http
import inspect
import types
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final, Union, cast, get_args, get_origin

import msgspec

from boundary.jobs.shell.web.api.endpoint import Endpoint
from boundary.jobs.shell.web.guarding import API
from boundary.jobs.shell.web.problems import MEDIA, Problem

Schema = dict[str, Any]

ALWAYS: Final = (400, 401, 403, 503)
"""What any endpoint may refuse with."""
WITH_BODY: Final = (413, 415, 422)
REF: Final = "#/components/schemas/{name}"

_PATHS: Final[dict[str, Schema]] = {
    "id": {"type": "string", "format": "uuid"},
    "name": {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,128}$"},
    "worker": {"type": "string", "minLength": 1, "maxLength": 300, "pattern": "^[^/]+$"},
    "number": {"type": "integer", "minimum": 1, "maximum": 2**53},
}

EVENTS: Final[Schema] = {
    "get": {
        "operationId": "events",
        "summary": "Statistics whenever they have changed, as server-sent events.",
        "description": "`stats` events carry what `/stats` answers; `away` says that the store "
        "does not answer, and why. A comment every 15 s keeps the connection open.",
        "responses": {
            "200": {
                "description": "The stream.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            }
        },
    }
}


def document(endpoints: Iterable[Endpoint]) -> Schema:
    """The whole description."""
    every = list(endpoints)
    kinds = list(dict.fromkeys(kind for one in every for kind in _types(one)))
    schemas, components = msgspec.json.schema_components([*kinds, Problem], ref_template=REF)
    components = _without_durations(components)
    of = dict(zip([*kinds, Problem], schemas, strict=True))
    paths: dict[str, Schema] = {}
    for one in every:
        paths.setdefault(API + one.path, {})[one.method.lower()] = _operation(one, of, components)
    paths[f"{API}/events"] = EVENTS
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "boundary-jobs",
            "version": version("boundary-jobs"),
            "description": "Background jobs: look at them and act on them.",
        },
        "security": [{}, {"bearer": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _without_durations(schema: Any) -> Any:
    """JSON Schema's `duration` knows no fractions of a second (RFC 3339, appendix A); ours has."""
    if isinstance(schema, dict):
        members = cast("Schema", schema)
        if members.get("format") == "duration":
            return {"type": "string", "description": "an ISO 8601 duration, such as PT1.5S"}
        return {name: _without_durations(each) for name, each in members.items()}
    if isinstance(schema, list):
        return [_without_durations(each) for each in cast("list[Any]", schema)]
    return schema


def _answers(one: Endpoint) -> list[Any]:
    kind = one.answer
    return list(get_args(kind)) if get_origin(kind) in {types.UnionType, Union} else [kind]


def _types(one: Endpoint) -> list[Any]:
    found = [kind for kind in (one.query, one.body, *_answers(one)) if kind is not None]
    return [kind for kind in found if kind is not type(None)]


def _operation(one: Endpoint, of: dict[Any, Schema], components: dict[str, Schema]) -> Schema:
    operation: Schema = {
        "operationId": one.name,
        "summary": (inspect.getdoc(one.call) or "").partition("\n")[0],
        "parameters": [*_path_parameters(one), *_query_parameters(one, of, components)],
        "responses": _responses(one, of),
    }
    if one.body is not None:
        content = {"application/json": {"schema": of[one.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(one: Endpoint) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in _PATHS.items()
        if f"{{{name}}}" in one.path
    ]


def _query_parameters(
    one: Endpoint, of: dict[Any, Schema], components: dict[str, Schema]
) -> list[Schema]:
    schema = components[of[one.query]["$ref"].rpartition("/")[2]]
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _given(member)}
        for name, member in schema["properties"].items()
    ]


def _given(member: Schema) -> Schema:
    """A parameter that may be left out is not written as null."""
    kinds = [one for one in member.get("anyOf", ()) if one != {"type": "null"}]
    if len(kinds) == 1:
        return dict(kinds[0])
    return {name: value for name, value in member.items() if value is not None}


def _responses(one: Endpoint, of: dict[Any, Schema]) -> Schema:
    found: Schema = {}
    for status in sorted({*ALWAYS, *one.statuses, *(WITH_BODY if one.body else ())}):
        found[str(status)] = {
            "description": http.HTTPStatus(status).phrase,
            "content": {MEDIA: {"schema": of[Problem]}},
        }
    for kind in _answers(one):
        status = str(one.status_of(kind))
        found[status] = {"description": http.HTTPStatus(int(status)).phrase}
        if kind is not type(None):
            found[status]["content"] = {"application/json": {"schema": of[kind]}}
    return dict(sorted(found.items()))
