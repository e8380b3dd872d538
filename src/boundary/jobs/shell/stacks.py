"""Where a thread or a task is just now, as text.

What belongs here: stacks of what still runs. What does not: traces of exceptions (`failure`), and
when somebody wants to know (`watch`).
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from types import FrameType

FRAMES = 30
_CALLER = str(Path(__file__).with_name("executor.py"))


def of_thread(ident: int) -> str:
    """The thread's frames, outermost first, those of the worker left out; empty: it has ended."""
    now = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as documented
    frame = now.get(ident)
    return "" if frame is None else _text(list(traceback.walk_stack(frame))[::-1])


def of_task(task: asyncio.Task[Any]) -> str:
    """The frames in which the task waits, outermost first; empty: it is done."""
    frames: list[tuple[FrameType, int]] = []
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None:
            frames.append((frame, frame.f_lineno))
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    return _text(frames)


def _text(frames: list[tuple[FrameType, int]]) -> str:
    ours = [place for place, (one, _) in enumerate(frames) if _is_ours(one)]
    # The handler's frames come after those of the executor, which called it.
    theirs = frames[ours[-1] + 1 :] if ours else frames
    rows = traceback.StackSummary.extract(iter((theirs or frames)[-FRAMES:]))
    return "".join(rows.format()).rstrip()


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename == _CALLER
