"""Whether a failed job runs again, and after how long.

What belongs here: the seed's backoff. What does not: who drew `u`, and what happens to the job.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from boundary.jobs.core.records import BackoffStrategy, RetryPolicy
from boundary.jobs.errors import UsageError

MOST_RETRIES: Final = 1_000
JITTER: Final = 0.1
"""A delay is multiplied by a factor drawn evenly from [1 - JITTER, 1 + JITTER)."""

LONGEST_DELAY: Final = 10 * 365 * 24 * 3600.0
"""Seconds; what lies beyond is a mistake of units."""

_MOST_DOUBLINGS: Final = 64
_MOST_STEPS: Final = 2**_MOST_DOUBLINGS


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
        case "constant":  # pragma: no branch (`checked` lets no other strategy in)
            return 1.0


def next_step(retry_count: int, max_retries: int) -> Literal["retry", "exhausted"]:
    """What follows a failed run of a job that has used `retry_count` of its retries."""
    return "retry" if retry_count < max_retries else "exhausted"


def checked(policy: RetryPolicy) -> RetryPolicy:
    """The policy, if it makes sense.

    Raises:
        UsageError: A field is out of its range; the message names it.
    """
    if policy.strategy not in get_args(BackoffStrategy):
        raise UsageError(
            f"there is no retry strategy {policy.strategy!r}; it is one of "
            f"{', '.join(get_args(BackoffStrategy))}"
        )
    for field in ("initial_delay", "max_delay"):
        value = getattr(policy, field)
        if not isinstance(value, int | float) or not 0 <= value <= LONGEST_DELAY:
            raise UsageError(
                f"{field} of a retry policy is a number of seconds from 0 to ten years, "
                f"not {value!r}"
            )
    if type(policy.jitter) is not bool:
        raise UsageError(f"jitter of a retry policy is True or False, not {policy.jitter!r}")
    return policy


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
