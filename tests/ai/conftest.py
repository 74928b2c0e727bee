from __future__ import annotations

import pytest
from memory_log import MemoryLog

KEYS = (
    *("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    *("GEMINI_API_KEY", "GOOGLE_API_KEY", "GEMINI_BASE_URL"),
)


@pytest.fixture(autouse=True)
def nobodys_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches a real provider by accident."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each provider, in the variables they are looked for in."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, f"key-of-{name}")
