"""What an object makes of itself at its first use, and keeps.

What belongs here: keeping it, whatever threads and forks do meanwhile. What does not: making it.

`functools.cached_property` has a lock until Python 3.12, one for all objects of a class: a process
forked while a thread was in it would wait for ever, in the child.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from functools import cached_property as once  # type checkers know how that one is used
else:

    class once(Generic[T]):  # noqa: N801 - used as `property` is
        """The decorated method's value; of those that several threads make at once, all get the first.

        So making one must cost little and open nothing. It is kept under the method's name in the
        object's `__dict__`, where reading it costs as any attribute does; without it there, it is
        made anew.
        """

        def __init__(self, make: Callable[[Any], T]) -> None:
            self._make = make
            self.__doc__ = make.__doc__

        def __get__(self, instance: Any, owner: type) -> T:
            if instance is None:
                return self
            return instance.__dict__.setdefault(self._make.__name__, self._make(instance))


__all__ = ["once"]
