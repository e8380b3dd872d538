"""What the id of a stored job is shown as."""

from __future__ import annotations

from uuid import UUID

from boundary.jobs.core.names import shown_id


def test_an_id_is_shown_as_it_is() -> None:
    assert shown_id(bytes(range(16))) == UUID(bytes=bytes(range(16)))


def test_bytes_that_are_no_id_are_shown_as_one_always_the_same() -> None:
    """So that one damaged row is shown among the others."""
    assert shown_id(b"short") == shown_id(b"short")
    assert len({shown_id(data) for data in (b"", b"short", bytes(17), bytes(16))}) == 4
