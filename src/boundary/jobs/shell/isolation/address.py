"""Where another process finds a handler: a module, and a name in it.

What belongs here: the address of a handler, and the way back from it. What does not: running it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, NamedTuple

from boundary.jobs.errors import UsageError
from boundary.jobs.shell.registry import Handler


class Address(NamedTuple):
    """`name` may have dots: ``Reports.build``."""

    module: str
    name: str


def address_of(handler: Handler[..., Any]) -> Address:
    """Where a child process imports it from.

    Raises:
        UsageError: It cannot be imported: it is in the script itself, or has no name in its module.
    """
    module = getattr(handler.function, "__module__", None)
    if module == "__main__":
        raise UsageError(
            f'{handler.job_type} has isolation="process" and is in the script that was started '
            "(__main__), which a child process cannot import; move it into a module and start "
            "`boundary-jobs worker MODULE`, or import it from there"
        )
    for name in _names(module, handler):
        found = _resolved(module, name)
        if found is handler or found is handler.function:
            return Address(str(module), name)
    raise UsageError(
        f'{handler.job_type} has isolation="process", but a child process would not find it: '
        f"module {module!r} has no such name at its top. Write it there with `def`, or bind the "
        f"decorated function to a name there"
    )


def addresses(handlers: Iterable[Handler[..., Any]]) -> dict[str, Address]:
    """Of all that run in processes of their own, by job type.

    Raises:
        UsageError: As `address_of`.
    """
    return {one.job_type: address_of(one) for one in handlers if one.isolation is not None}


def _names(module: object, handler: Handler[..., Any]) -> list[str]:
    known = sys.modules.get(str(module))
    bound = [] if known is None else [key for key, one in vars(known).items() if one is handler]
    return [getattr(handler.function, "__qualname__", ""), *bound]


def _resolved(module: object, name: str) -> Any:
    found: Any = sys.modules.get(str(module))
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def function_at(address: Address) -> Callable[..., Any]:
    """The handler's function; its module is imported if it was not.

    Raises:
        ImportError: There is no such module here, or no such function in it.
    """
    import_module(address.module)
    found = _resolved(address.module, address.name)
    if isinstance(found, Handler):
        return found.function
    if callable(found):
        function: Callable[..., Any] = found
        return function
    raise ImportError(
        f"{address.module} has no {address.name} in the process that should run it; is it "
        "defined only under some condition?"
    )
