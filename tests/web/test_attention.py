"""What somebody on call is told first."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from boundary.jobs.core.stats import JobStats, MinuteStats
from boundary.jobs.shell.web.attention import notices


@pytest.mark.parametrize(
    ("waited_ms", "told"), [(61_000, "a minute"), (100_000, "2 minutes"), (3.6e8, "6,000 minutes")]
)
def test_a_long_wait_is_told_in_minutes(waited_ms: float, told: str) -> None:
    row = MinuteStats(
        minute=datetime(2026, 11, 28, tzinfo=UTC), queue_name="mail", avg_wait_ms=waited_ms
    )
    (notice,) = notices(JobStats(), [row])
    assert notice.text == f"Jobs of mail waited {told} for a worker."
