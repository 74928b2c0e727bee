"""What comes from outside comes through one door each."""

from __future__ import annotations

import pytest
from own_files import imported, python_files, shown

DOORS = {
    "httpx": {"engine/ai/http.py", "engine/sinks/webhook.py"},
    "httpcore": {"engine/sinks/webhook.py"},
    "genai_prices": {"engine/ai/cost.py", "engine/ai/catalogue.py"},
}


@pytest.mark.parametrize("library", DOORS)
def test_a_library_has_its_door(library: str) -> None:
    found = {shown(file) for file in python_files("engine", "wfconsole") if library in imported(file)}
    assert found <= DOORS[library]
    assert found
