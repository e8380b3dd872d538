"""How much memory this process has.

What belongs here: one number. What does not: what is done about it (`core.dispatcher`).
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

STATM = Path("/proc/self/statm")
"""Linux: sizes in pages, the second is what is in memory now."""


def resident() -> int:
    """Bytes this process has in memory; where the system does not say, the most it ever had."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
