"""What docs/testing.md shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"

SHOP = """
from boundary.jobs import Jobs

jobs = Jobs()
outbox = []


@jobs.handler(queue="mails")
def confirm(number: int, customer: str) -> None:
    if customer not in outbox:
        outbox.append(customer)


@jobs.handler
def remind(customer: str) -> None:
    outbox.append(customer)


def place_order(number: int, customer: str) -> None:
    confirm.enqueue(number, customer)
"""

PARTS = """
import pytest
from shop.tasks import confirm, jobs as app, outbox, place_order, remind


@pytest.fixture(autouse=True)
def empty():
    outbox.clear()
"""


def test_the_page(tmp_path: Path) -> None:
    text = PAGE.read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (settings,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "tasks.py").write_text(SHOP)
    (tmp_path / "pyproject.toml").write_text(settings + 'pythonpath = ["."]\n')
    tests = [block for block in blocks if "def test_" in block]
    (tmp_path / "test_page.py").write_text(PARTS + "\n\n".join(tests))
    others = "from shop.tasks import confirm, jobs\n" + "\n".join(
        block for block in blocks if block not in tests
    )
    (tmp_path / "other.py").write_text(others)
    for command in (["-m", "pytest", "-q"], ["other.py"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(tests) == 3
    assert not list(tmp_path.glob("*.db*"))
