"""Pictures of the site that are drawn from the code.

What belongs here: where things stand in a picture. What does not: texts (`docs/generate.py`).
"""

from __future__ import annotations

from boundary.jobs.core import lifecycle

PLACES = {
    "pending": (90, 190),
    "running": (360, 190),
    "failed": (760, 90),
    "completed": (760, 190),
    "cancelled": (760, 330),
    "retrying": (360, 330),
}
"""Where each status stands in the diagram."""

WAYS = {
    ("pending", "running"): ("M145 184 H301", 223, 176),
    ("running", "pending"): ("M305 198 H149", 223, 214),
    ("running", "completed"): ("M415 190 H701", 480, 182),
    ("running", "failed"): ("M390 172 L701 96", 500, 114),
    ("running", "cancelled"): ("M400 208 L701 322", 600, 302),
    ("running", "retrying"): ("M360 208 V308", 376, 262),
    ("retrying", "pending"): ("M305 318 L124 211", 190, 280),
    ("retrying", "cancelled"): ("M415 336 H701", 560, 352),
    ("retrying", "failed"): ("M390 312 L722 112", 645, 132),
    ("pending", "cancelled"): ("M70 208 C70 430 760 430 760 352", 420, 414),
    ("failed", "pending"): ("M760 72 C760 -10 90 -10 90 168", 420, 14),
}
"""How an arrow goes, and where its words stand."""


SVG_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 830 420" role="img" '
    'aria-label="The life of a job" font-family="sans-serif" font-size="13" '
    'text-anchor="middle" fill="currentColor">\n'
    '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto"><path d="M0 0L8 4L0 8z"/></marker>'
)


def lifecycle_picture() -> str:
    """docs/img/lifecycle.svg: the same diagram for the site, which loads no script to draw it."""
    ways: dict[tuple[str, str], list[str]] = {}
    for (before, event), to in lifecycle.TABLE.items():
        ways.setdefault((before, to), []).append(event)
    parts = [SVG_HEAD]
    for way, words in ways.items():
        path, x, y = WAYS[way]
        parts.append(f'<path d="{path}" fill="none" stroke="currentColor" marker-end="url(#tip)"/>')
        parts.append(f'<text x="{x}" y="{y}">{" / ".join(words)}</text>')
    for name, (x, y) in PLACES.items():
        parts.append(
            f'<rect x="{x - 55}" y="{y - 18}" width="110" height="36" rx="8" fill="none" '
            'stroke="currentColor" stroke-width="2"/>'
        )
        parts.append(f'<text x="{x}" y="{y + 5}" font-weight="bold">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])
