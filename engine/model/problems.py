"""What pydantic found wrong, in our words."""

from __future__ import annotations

from pydantic import ValidationError

from engine.errors import Problem


def problems_of(error: ValidationError, prefix: str = "") -> list[Problem]:
    """A pydantic error as problems with dotted paths."""
    found = []
    for item in error.errors(include_url=False, include_input=False):
        path = ".".join(str(part) for part in item["loc"])
        found.append(Problem(f"{prefix}.{path}".strip(".") if prefix else path, item["msg"]))
    return found
