"""The code in the documents is carried out as it stands there."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine import ClaimPendingRuns, CreateRun
from engine.bootstrap import open_engine

DOCS = Path(__file__).resolve().parents[2] / "docs"
_BLOCK = re.compile(r"```python file=(\S+)\n(.*?)```", re.DOTALL)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`modules(page)` writes the modules of a page and makes them importable; `modules[name]` imports one."""
    written: set[str] = set()

    class Modules:
        def __call__(self, page: str) -> Modules:
            for name, text in _BLOCK.findall((DOCS / page).read_text()):
                (tmp_path / name).write_text(text)
                written.add(Path(name).stem)
            monkeypatch.syspath_prepend(tmp_path)
            return self

        def __getitem__(self, name: str) -> ModuleType:
            return importlib.import_module(name)

    yield Modules()
    for name in written:
        sys.modules.pop(name, None)


async def create(url: str, pipeline: ModuleType) -> dict[str, str]:
    """A run whose first job is due, as a queue message."""
    async with open_engine(url, workflows=[pipeline.notes]) as engine:
        command = CreateRun(idempotency_key="k", workflow_id="notes", input={"text": "a b c"})
        run_id = (await engine.dispatch(command)).run_id
        (claimed,) = (await engine.dispatch(ClaimPendingRuns(worker_id="clerk"))).claimed
        return {"job_id": claimed.job_ids[0], "run_id": run_id, "workflow_id": "notes", "stage_id": "count"}


async def outcome(url: str, run_id: str) -> tuple[str, Any]:
    async with open_engine(url) as engine:
        run = await engine.inspector.run(run_id)
        return str(run.status), run.output


def run(coroutine: Any) -> Any:
    import asyncio

    return asyncio.run(coroutine)


def test_a_function_behind_a_queue(modules: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WFCONSOLE_DB", url)
    found = modules("serverless.md")
    message = run(create(url, found["pipeline"]))
    record = {"messageId": "m1", "body": json.dumps(message)}
    answer = found["function"].on_messages({"Records": [record, {**record, "messageId": "m2"}]}, None)
    assert answer == {"batchItemFailures": []}
    assert run(outcome(url, message["run_id"])) == ("COMPLETED", 3)


def test_a_function_without_its_database_gives_the_message_back(
    modules: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = modules("serverless.md")
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("WFCONSOLE_DB", url)
    message = run(create(url, found["pipeline"]))

    async def unavailable(*_: Any) -> None:
        from engine import StoreUnavailable

        raise StoreUnavailable("gone")

    monkeypatch.setattr("engine.hosts.serverless.ServerlessHost.handle_job", unavailable)
    answer = found["function"].on_messages({"Records": [{"messageId": "m1", "body": json.dumps(message)}]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_a_cron_tick(modules: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WFCONSOLE_DB", url)
    found = modules("serverless.md")

    async def put() -> str:
        async with open_engine(url, workflows=[found["pipeline"].notes]) as engine:
            command = CreateRun(idempotency_key="k", workflow_id="notes", input={"text": "a b"})
            return (await engine.dispatch(command)).run_id

    run_id = run(put())
    assert found["function"].on_minute({}, None) == {"claimed": 1, "flushed": 0, "processed": 1}
    assert run(outcome(url, run_id)) == ("COMPLETED", 2)


def test_a_route(modules: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    testclient = pytest.importorskip("fastapi.testclient", reason="fastapi comes with the extra `dev`")
    monkeypatch.setenv("WFCONSOLE_DB", url)
    service = modules("serverless.md")["service"]
    with testclient.TestClient(service.app) as client:
        assert client.post("/notes", json={"text": "a"}).status_code == 400
        key = {"Idempotency-Key": "k1"}
        first = client.post("/notes", json={"text": "a b"}, headers=key)
        assert first.status_code == 202
        assert client.post("/notes", json={"text": "a b"}, headers=key).json() == first.json()
        assert client.post("/notes", json={"text": "other"}, headers=key).status_code == 409
        assert client.post("/notes", json={"txt": "a"}, headers={"Idempotency-Key": "k2"}).status_code == 422
        run_id = first.json()["run_id"]
        assert client.get(f"/notes/{run_id}").json() == {"status": "PENDING", "output": None, "error": None}
        assert client.get("/notes/nothing").status_code == 404


async def test_the_example_of_a_test(modules: Any) -> None:
    found = modules("testing.md")["test_invoices"]
    await found.test_an_invoice_is_booked_though_the_service_fails_once()


async def test_the_examples_of_ai_calls(modules: Any) -> None:
    found = modules("ai.md")
    await found["test_reviews"].test_a_review_is_asked_for_once_more()
    assert [stage.id for stage in found["reviews"].reviews.stages] == ["judge"]
    assert found["digests"].digest.output.python_type == list[str]


def test_the_settings_of_a_provider_are_taken_as_they_stand() -> None:
    import tomllib

    from engine.ai import ProviderSettings

    text = re.search(r"```toml\n(.*?)```", (DOCS / "ai.md").read_text(), re.DOTALL)
    assert text is not None
    local = ProviderSettings.model_validate(tomllib.loads(text.group(1))["providers"]["local"])
    assert local.prices["llama3"].output > local.prices["llama3"].input
