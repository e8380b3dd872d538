"""What a handler takes: binding a call's arguments, and giving them back their types.

What belongs here: parameters, annotations, and what is wrong with arguments. What does not:
options, storing and running.

    enqueue   `bind`: a call as it would be made  →  arguments by parameter name
    worker    `convert`: stored JSON values       →  values of the annotated types
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from boundary.jobs.core.secret import Secret, opened
from boundary.jobs.errors import UsageError
from boundary.jobs.shell.context import Context
from boundary.jobs.shell.enums import ByValue, by_value, member, refused_by_msgspec
from boundary.jobs.shell.options import NAMES

_VARIABLE = inspect.Parameter.VAR_KEYWORD
_REFUSED = {
    inspect.Parameter.POSITIONAL_ONLY: "is positional-only",
    inspect.Parameter.VAR_POSITIONAL: "takes any number of arguments without names",
}
_ANYTHING = (Any, object, inspect.Parameter.empty)


class Signature:
    """The parameters of a handler.

    Attributes:
        context_parameter: The one a worker fills with a `Context`; never enqueued.
        defaults: What the function takes for arguments that are not given.

    Raises:
        UsageError: Arguments could not be stored by name.
    """

    def __init__(self, job_type: str, function: Callable[..., Any]) -> None:
        whole = _parameters(job_type, function)
        self._job_type = job_type
        self._function = function
        self.context_parameter: str | None = _context_parameter(job_type, function, whole)
        rows = [one for one in whole.values() if one.name != self.context_parameter]
        self._signature = inspect.Signature(rows)
        self._parameters = {one.name: one for one in rows if one.kind is not _VARIABLE}
        self._variable = next((one for one in rows if one.kind is _VARIABLE), None)
        self._names = frozenset(self._parameters)
        self._required = frozenset(
            one.name for one in self._parameters.values() if one.default is one.empty
        )
        self.defaults: Mapping[str, Any] = {
            one.name: one.default
            for one in self._parameters.values()
            if one.default is not one.empty
        }
        self._secret = [
            one.name
            for one in self._parameters.values()
            if _means(one.annotation, function, Secret)
        ]
        self._types: dict[str, Any] | None = None
        self._rest: Any = Any
        for one in rows:
            self._check_enums(one)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Arguments by parameter name; defaults are left out.

        Raises:
            TypeError: As a plain call gives.
        """
        if not args and not self._secret:
            given = kwargs.keys()
            if self._required <= given <= self._names:
                return kwargs
        if self.context_parameter in kwargs:
            raise TypeError(
                f"{self._job_type}() got an argument {self.context_parameter!r}, "
                "which its worker gives it"
            )
        try:
            bound = self._signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{self._job_type}() {error}{self._remedy(kwargs)}") from None
        if self._variable is not None:
            bound.update(bound.pop(self._variable.name, {}))
        for name in self._secret:  # who forgets to say that it is one still has it hidden
            if not isinstance(bound.get(name), Secret | None):
                bound[name] = Secret(opened(bound[name]))
        return bound

    def _remedy(self, kwargs: Mapping[str, Any]) -> str:
        """What to do about options among the arguments."""
        options = [name for name in kwargs if name in NAMES and name not in self._names]
        if not options:
            return ""
        chosen = ", ".join(f"{name}=…" for name in options)
        return f"; options go apart: {self._job_type}.using({chosen}).enqueue(…)"

    def convert(self, args: dict[str, Any]) -> dict[str, Any]:
        """The arguments in their annotated types; the same mapping if they have them already.

        Raises:
            UsageError: One is missing, unknown, or of another type; it is named.
        """
        if args.keys() != self._names:
            self._check_names(args)
        types = self._types
        if types is None:
            types = self._types = self._resolved()
        converted: dict[str, Any] = {}
        for name, value in args.items():
            wanted = types.get(name, self._rest)
            if wanted is not Any and type(value) is not wanted:
                converted[name] = self._converted(name, value, wanted)
        return {**args, **converted} if converted else args

    def check_known(self, names: Iterable[str]) -> None:
        """Each is the name of an argument.

        Raises:
            UsageError: One is not.
        """
        unknown = [] if self._variable is not None else sorted(set(names) - self._names)
        if unknown:
            raise UsageError(
                f"{self._job_type} has no argument {unknown[0]!r}; it takes {self._signature}"
            )

    def _check_names(self, args: dict[str, Any]) -> None:
        given = args.keys()
        if self._required <= given and (self._variable is not None or given <= self._names):
            return
        missing = sorted(self._required - given)
        words = [f"no argument {name!r}" for name in missing]
        if self._variable is None:
            words += [f"an unknown argument {name!r}" for name in sorted(given - self._names)]
        raise UsageError(
            f"{self._job_type} was enqueued with {' and '.join(words)}; it takes "
            f"{self._signature}. Was it enqueued by another version of the code?"
        )

    def _resolved(self) -> dict[str, Any]:
        if self._variable is not None:
            self._rest = self._type(self._variable)
        return {name: self._type(one) for name, one in self._parameters.items()}

    def _type(self, one: inspect.Parameter) -> Any:
        """What to convert to: `Any` for as it is, a class to compare with, or a type."""
        try:
            found = by_value(_evaluated(one.annotation, self._function))
        except Exception as error:
            raise UsageError(
                f"the annotation {one.annotation!r} of {self._job_type}'s parameter "
                f"{one.name!r} cannot be resolved ({error}); define its type at the top of a "
                "module that is imported at run time"
            ) from error
        return Any if found in _ANYTHING else found

    def _check_enums(self, one: inspect.Parameter) -> None:
        """Better now than in each run. Of a type that is not in sight yet it shows there."""
        try:
            kind = self._type(one)
        except UsageError:
            return
        if (why := refused_by_msgspec(kind)) is not None:
            raise UsageError(
                f"the parameter {one.name!r} of {self._job_type} cannot be made from what is "
                f"stored: {why}; take the enum (or a list or mapping of it) as a parameter of its "
                "own, or give it values that are all texts or all whole numbers"
            )

    def _converted(self, name: str, value: Any, wanted: Any) -> Any:
        try:
            return _to(wanted, value)
        except (msgspec.ValidationError, TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"{self._job_type}: argument {name!r}: {error}") from error


def _parameters(job_type: str, function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        parameters = inspect.signature(function).parameters
    except (ValueError, TypeError) as error:
        raise UsageError(f"{function!r} cannot be a handler: {error}") from error
    if next(iter(parameters), "") in {"self", "cls"} and _in_a_class(function):
        raise UsageError(
            f"{job_type} is a method, and a worker has no object to call it on; decorate a "
            "function, or put @staticmethod below @jobs.handler"
        )
    for one in parameters.values():
        if one.kind in _REFUSED:
            raise UsageError(
                f"the parameter {one.name!r} of {job_type} {_REFUSED[one.kind]}; arguments are "
                "stored under their parameter's name, so give each one"
            )
    return parameters


def _in_a_class(function: Callable[..., Any]) -> bool:
    """Whether its definition stands in the body of a class."""
    around = getattr(function, "__qualname__", "").split(".")[:-1]
    return bool(around) and around[-1] != "<locals>"


def _context_parameter(
    job_type: str, function: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]
) -> str | None:
    found = [name for name, one in parameters.items() if _means(one.annotation, function, Context)]
    if len(found) > 1:
        raise UsageError(f"{job_type} has {len(found)} Context parameters; one is enough")
    return found[0] if found else None


def _means(annotation: Any, function: Callable[..., Any], ours: type) -> bool:
    """Whether it means this type of ours; one that is out of sight here counts by its name."""
    if isinstance(annotation, str):
        try:
            annotation = _evaluated(annotation, function)
        except Exception:  # noqa: BLE001 - whatever evaluating somebody's text raises
            names = {
                part.split("[")[0].strip(" '\"").split(".")[-1] for part in annotation.split("|")
            }
            return ours.__name__ in names
    if get_origin(annotation) in {Annotated, Union, UnionType}:
        return any(_is(ours, one) for one in get_args(annotation))
    return _is(ours, annotation)


def _is(ours: type, annotation: Any) -> bool:
    return (get_origin(annotation) or annotation) is ours


def _evaluated(annotation: Any, function: Callable[..., Any]) -> Any:
    """The type an annotation stands for, looked up where the function was written."""
    if not isinstance(annotation, str):
        return annotation
    inner: Any = inspect.unwrap(function)
    inner = getattr(inner, "func", inner)
    inner = getattr(inner, "__func__", inner)
    if not hasattr(inner, "__code__"):
        inner = type(inner).__call__
    seen = {**inner.__globals__, **_enclosed(inner)}
    while isinstance(annotation, str):  # quoted, and text by the module's choice as well
        annotation = eval(annotation, seen)  # noqa: S307 - the user's own source
    return annotation


def _enclosed(function: Any) -> dict[str, Any]:
    """What a function sees of the functions around it."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    seen: dict[str, Any] = {}
    for name, cell in cells:
        try:
            seen[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return seen


def _to(kind: Any, value: Any) -> Any:
    return msgspec.convert(value, kind, strict=True, str_keys=True, dec_hook=_decoded)


def _decoded(kind: Any, value: Any) -> Any:
    """Values of types msgspec does not know."""
    if _is(Secret, kind):
        (inner,) = get_args(kind) or (Any,)
        return Secret(_to(inner, opened(value)))
    if _is(ByValue, kind):
        return member(get_args(kind)[0], value)
    validate = getattr(kind, "model_validate_json", None)
    if validate is not None:  # Pydantic's; from JSON, of which a strict model too reads dates
        return validate(msgspec.json.encode(value))
    if isinstance(kind, type) and issubclass(kind, PurePath) and isinstance(value, str):
        return kind(value)
    raise TypeError(
        f"nothing turns {type(value).__name__} into {kind}; "
        "take plain data, a dataclass, a msgspec Struct or a Pydantic model"
    )
