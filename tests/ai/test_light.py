"""What it costs to have AI calls at hand, and what making one fetches."""

from __future__ import annotations

import json
import subprocess
import sys

PYDANTIC = """
from pydantic import BaseModel, Field, TypeAdapter
class Settings(BaseModel):
    key: str | None = Field(default=None, repr=False)
"""
"""`import pydantic` alone loads nearly nothing of it: the first model does."""

ENGINE = """
import engine.ai
engine.ai.create_ai_helper
"""

SPENT = "import json, time\nbegan = time.process_time()\n{program}\nprint(json.dumps(time.process_time() - began))"

OFFLINE_CALL = """
import asyncio, json, sys
from engine.ai import create_ai_helper
from engine.testing.fakes import CollectingAICallLog
ai = create_ai_helper("t", CollectingAICallLog())
result = asyncio.run(ai.generate_text("offline/extractive", "Summarise: one. two."))
loaded = [name for name in ("httpx", "genai_prices", "engine.ai.http") if name in sys.modules]
print(json.dumps({"text": result.text, "loaded": loaded}))
"""


def printed_by(program: str) -> object:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def spent_by(program: str) -> float:
    """Seconds of the process's own time, the least of several, whatever else the machine does."""
    return min(float(str(printed_by(SPENT.format(program=program)))) for _ in range(5))


def test_it_costs_less_than_a_tenth_of_a_second_beyond_pydantic() -> None:
    assert spent_by(ENGINE) - spent_by(PYDANTIC) < 0.1


def test_an_offline_call_loads_neither_http_nor_the_price_list() -> None:
    assert printed_by(OFFLINE_CALL) == {"text": "one. two.", "loaded": []}
