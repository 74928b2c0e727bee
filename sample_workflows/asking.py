"""Which model the samples ask: one that needs neither key nor network, unless told otherwise."""

from __future__ import annotations

import os

from pydantic import Field

from engine import AIConfig

MODEL_VARIABLE = "WFCONSOLE_MODEL"
OFFLINE = "offline/extractive"


def chosen_model() -> str:
    """`WFCONSOLE_MODEL`, such as `openai/gpt-5-mini`; without it a model that picks its answers from the prompt."""
    return os.environ.get(MODEL_VARIABLE, "").strip() or OFFLINE


class Asking(AIConfig):
    """Settings of a stage that asks a model. The model is chosen when the run is created."""

    model: str = Field(default_factory=chosen_model)
