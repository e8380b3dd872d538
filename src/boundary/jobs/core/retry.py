"""Whether a failed job runs again, and after how long.

What belongs here: the seed's backoff. What does not: who drew `u`, and what happens to the job.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct

from boundary.jobs.errors import UsageError

BackoffStrategy: TypeAlias = Literal["exponential", "linear", "constant"]
_STRATEGIES: Final = get_args(BackoffStrategy)

MOST_RETRIES: Final = 1_000
JITTER: Final = 0.1
"""A delay is multiplied by a factor drawn evenly from [1 - JITTER, 1 + JITTER)."""

LONGEST_DELAY: Final = 10 * 365 * 24 * 3600.0
"""Seconds; what lies beyond is a mistake of units."""

_MOST_DOUBLINGS: Final = 64
_MOST_STEPS: Final = 2**_MOST_DOUBLINGS


class RetryPolicy(Struct, frozen=True, gc=False):
    """How long a failed job waits before it runs again.

    Attributes:
        strategy: ``exponential`` (initial x 2^(n-1)), ``linear`` (initial x n) or ``constant``.
        initial_delay: Seconds before the first retry, from 0 (at once) to ten years.
        max_delay: Seconds no delay exceeds, jitter included, from 0 to ten years.
        jitter: Multiply each delay by a factor drawn evenly from [0.9, 1.1) before the cap.

    Raises:
        UsageError: A value is out of its range; the message names it.

    Source: the seed's "Retry Behavior".
    """

    strategy: BackoffStrategy = "exponential"
    initial_delay: float = 1.0
    max_delay: float = 60.0
    jitter: bool = True

    def __post_init__(self) -> None:
        if self.strategy not in _STRATEGIES:
            raise UsageError(
                f"there is no retry strategy {self.strategy!r}; it is one of "
                f"{', '.join(_STRATEGIES)}"
            )
        _check_seconds("initial_delay", self.initial_delay)
        _check_seconds("max_delay", self.max_delay)
        if type(self.jitter) is not bool:
            raise UsageError(f"jitter of a retry policy is True or False, not {self.jitter!r}")


def _check_seconds(name: str, value: object) -> None:
    if not isinstance(value, int | float) or not 0 <= value <= LONGEST_DELAY:
        raise UsageError(
            f"{name} of a retry policy is a number of seconds from 0 to ten years, not {value!r}"
        )


def delay_ms(number: int, policy: RetryPolicy, u: float) -> int:
    """Milliseconds before retry `number`, never above the policy's `max_delay`.

    Exponential: ``initial x 2^(number - 1)``, so 1, 2, 4, 8 s by default. Linear:
    ``initial x number``. Constant: ``initial``. Jitter comes before the cap.

    Args:
        number: 1 for the first retry.
        u: In [0, 1); ignored without jitter.

    Source: the seed's "Retry Behavior"; the jitter of its original.
    """
    delay = policy.initial_delay * _growth(number, policy.strategy)
    if policy.jitter:
        delay *= 1 - JITTER + 2 * JITTER * u
    return round(min(delay, policy.max_delay) * 1000)


def _growth(number: int, strategy: BackoffStrategy) -> float:
    match strategy:
        case "exponential":
            return 2.0 ** min(number - 1, _MOST_DOUBLINGS)
        case "linear":
            return float(min(number, _MOST_STEPS))
        case "constant":  # pragma: no branch (a policy has no other)
            return 1.0


def next_step(retry_count: int, max_retries: int) -> Literal["retry", "exhausted"]:
    """What follows a failed run of a job that has used `retry_count` of its retries."""
    return "retry" if retry_count < max_retries else "exhausted"


def checked_retries(max_retries: object) -> int:
    """The number of retries, if it is one.

    Raises:
        UsageError: It is not a whole number from 0 to 1000.
    """
    if type(max_retries) is int and 0 <= max_retries <= MOST_RETRIES:
        return max_retries
    raise UsageError(
        f"max_retries is a whole number from 0 (never again) to {MOST_RETRIES}, not {max_retries!r}"
    )
