"""What users hand over: JSON values.

What belongs here: the type they have throughout. What does not: how deep they may be (`nesting`),
what of them is hidden (`redaction`), and their bytes (`wire`).
"""

from __future__ import annotations

from typing import Any, TypeAlias

JSON: TypeAlias = Any
"""A JSON value: null, boolean, number, string, list, or mapping with string keys."""
