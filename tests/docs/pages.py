"""Running what pages of docs/ show.

What belongs here: finding blocks and running ours, as one module a page. What does not: what a page
must have.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path
from types import CodeType
from typing import Any

from boundary.jobs import Jobs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
THEIRS = re.compile(r"# (Celery|RQ|Dramatiq|arq)\n")


def blocks(page: Path) -> tuple[list[tuple[int, str]], list[str]]:
    """(line, code) of what is ours, and the others'."""
    ours: list[tuple[int, str]] = []
    theirs: list[str] = []
    text = page.read_text()
    for found in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if THEIRS.match(found[1]):
            theirs.append(found[1])
        else:
            ours.append((text.count("\n", 0, found.start(1)), found[1]))
    return ours, theirs


def compiled(page: Path, line: int, code: str) -> CodeType:
    """The block, so that an error names the page's line; await is allowed."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile("\n" * line + code, str(page), "exec", flags=flags, dont_inherit=True)


def run(page: Path, given: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the names of the page stand for once its blocks have run, in order; `jobs` is closed."""
    space: dict[str, Any] = {"__name__": page.stem, **(given or {})}

    async def awaited(code: CodeType) -> None:
        await eval(code, space)

    with asyncio.Runner() as runner:
        for line, code in blocks(page)[0]:
            block = compiled(page, line, code)
            if block.co_flags & inspect.CO_COROUTINE:
                runner.run(awaited(block))
            else:
                exec(block, space)
        jobs: Jobs = space["jobs"]
        runner.run(jobs.aio.close())
    jobs.close()
    return space
