"""What it costs to have AI calls at hand, and what making one fetches."""

from __future__ import annotations

import json
import subprocess
import sys

IMPORT = """
import json, sys, time
import engine
began = time.process_time()
import engine.ai
print(json.dumps({"spent": time.process_time() - began}))
"""

OFFLINE_CALL = """
import asyncio, json, sys
from engine.ai import create_ai_helper
from engine.testing.fakes import CollectingAICallLog
ai = create_ai_helper("t", CollectingAICallLog())
result = asyncio.run(ai.generate_text("offline/extractive", "Summarise: one. two."))
loaded = [name for name in ("httpx", "genai_prices", "engine.ai.http") if name in sys.modules]
print(json.dumps({"text": result.text, "loaded": loaded}))
"""


def printed_by(program: str) -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_importing_it_adds_less_than_a_tenth_of_a_second() -> None:
    spent = [float(str(printed_by(IMPORT)["spent"])) for _ in range(3)]
    assert min(spent) < 0.1, "the least of three: of its own processor time, whatever else the machine does"


def test_an_offline_call_loads_neither_http_nor_the_price_list() -> None:
    assert printed_by(OFFLINE_CALL) == {"text": "one. two.", "loaded": []}
