"""The site builds with warnings as errors, has every page, and loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.outside import GUESTS
from tests.docs.pages import DOCS, ROOT

LOADED = r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_there(site: Path) -> None:
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} | set(GUESTS.values())
    menu = (site / "index.html").read_text()
    for page in pages:
        built = page.removesuffix(".md") + ".html"
        assert (site / built).exists(), page
        assert f'href="{built}"' in menu, f"{page} is not in the navigation"


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        text = page.read_text()
        assert not re.findall(LOADED, text), page
        # Material would load the script that draws these.
        assert 'class="mermaid"' not in text
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//|@import", style.read_text()), style


def test_the_life_of_a_job_is_drawn(site: Path) -> None:
    text = (site / "lifecycle.html").read_text()
    assert "<svg xmlns" in text
    assert "exhaust / discard / quarantine / crash" in text
    assert "stateDiagram" not in text


def test_public_names_are_documented(site: Path) -> None:
    text = (site / "reference" / "api.html").read_text()
    for name in ("Jobs.enqueue_many", "AsyncJobs.result", "Context.progress", "RetryPolicy"):
        assert f'id="boundary.jobs.{name}"' in text, name
    assert 'id="boundary.jobs.Jobs.enqueuing_one"' not in text
