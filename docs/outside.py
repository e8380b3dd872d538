"""What MkDocs does with what is not a page of docs/.

What belongs here: pages of the site that are files beside docs/, links to such files, and pages that
the navigation does not name. What does not: texts; `docs/generate.py` writes those that say what the
code says.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
GUESTS = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "examples/README.md": "project/examples.md",
}
"""Files beside docs/ that are pages of the site, and where."""

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")

DIAGRAM = re.compile(r"^```mermaid\nstateDiagram.*?^```$", re.DOTALL | re.MULTILINE)
PICTURE = ROOT / "docs" / "img" / "lifecycle.svg"
"""What stands for the diagram: drawing it would take a script from elsewhere."""


def on_config(config: Any) -> Any:
    """A page that the navigation does not name stands at the end of its last section."""
    placed = set(pages(config.nav))
    folder = Path(config.docs_dir)
    missing = sorted({str(path.relative_to(folder)) for path in folder.rglob("*.md")} - placed)
    (last,) = config.nav[-1].values()
    last += missing
    return config


def on_files(files: Any, config: Any) -> Any:
    """The guests come in, with links as from where they stand now."""
    for source, page in GUESTS.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links lead to pages of the site; of a file that is none, its name is shown."""
    here = page.file.src_uri
    home = {page: source for source, page in GUESTS.items()}.get(here, f"docs/{here}")

    def led(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(home), target))
        inside = GUESTS.get(path) or (path[5:] if path.startswith("docs/") else None)
        if inside is None:
            return f"{text} (`{path}`)" if text.strip("`") != path else f"`{path}`"
        return f"[{text}]({posixpath.relpath(inside, posixpath.dirname(here) or '.')}{anchor})"

    return LINK.sub(led, DIAGRAM.sub(PICTURE.read_text(), markdown))


def pages(nav: Any) -> list[str]:
    """The pages a navigation names."""
    if isinstance(nav, str):
        return [nav]
    items = nav.values() if isinstance(nav, dict) else nav
    return [page for item in items for page in pages(item)]
