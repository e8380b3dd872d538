"""How much memory somebody means who writes 512M.

What belongs here: reading a size. What does not: what a size may be (each option says so).

``K``, ``M`` and ``G`` are powers of 1024, and so are KB and KiB: as in `docker run --memory` and
systemd's `MemoryMax=`, beside which such a number stands. Those who mean a thousand write bytes.
"""

from __future__ import annotations

import re

_POWERS = {"": 0, "k": 10, "m": 20, "g": 30}
_SIZE = re.compile(
    r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*(?:([kmg])i?b?|b?)\s*", re.IGNORECASE | re.ASCII
)


def size(given: object) -> int | None:
    """Bytes, of a number of them or of a text such as ``512M``; None: it is no size."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    found = _SIZE.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        return None
    number, power = found[1], _POWERS[(found[2] or "").lower()]
    return int(number) << power if number.isdecimal() else round(float(number) * 2.0**power)
