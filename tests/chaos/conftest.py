"""What experiments share with the tests of processes: a floor, on a file or a server.

Its workers hold jobs for a short time, so that those of the dead come back while one looks.
"""

from __future__ import annotations

import pytest

from tests.processes.conftest import Floor, server
from tests.processes.conftest import floor as patient_floor

__all__ = ["floor", "patient_floor", "server"]


@pytest.fixture
def floor(patient_floor: Floor) -> Floor:
    return patient_floor.short_lease()
