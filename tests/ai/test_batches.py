"""Batches: handed in once, looked at as often as one likes, noted once."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from dialects import Act, Verdict, asked, openai
from memory_log import MemoryLog
from scripted_server import answer

from engine import AIBadRequest, AIBadResponse, AIUnavailable, BatchRequest, BudgetExceeded
from engine.ai import Providers, create_ai_helper
from engine.ai.logged_ai import LoggedAI
from engine.testing import FakeAIProvider

pytestmark = pytest.mark.usefixtures("keys")


@pytest.fixture
def fake() -> FakeAIProvider:
    return FakeAIProvider()


@pytest.fixture
def ai(log: MemoryLog, fake: FakeAIProvider) -> LoggedAI:
    return create_ai_helper("tests", log, providers=Providers(everything=fake))


async def test_b192_an_item_that_is_not_what_was_asked_for_failed(
    ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider
) -> None:
    fake.respond("one", '```json\n{"good": true}\n```')
    fake.respond("two", '{"good": "perhaps"}')
    fake.respond("three", "no JSON at all")
    handed = await ai.batch("x/y").submit(["one", "two", "three"])
    first, second, third = await ai.batch("x/y").results(handed.id, schema=Verdict)
    assert first.object == Verdict(good=True)
    assert (second.status, second.object, second.text) == ("failed", None, None)
    assert "good: " in (second.error or "")
    assert (third.status, third.object) == ("failed", None)
    assert [row.status for row in log.rows] == ["ok", "error", "error"]
    assert [row.cost for row in log.rows] == [fake.cost] * 3, "what is of no use is paid all the same"


async def test_b194_results_fetched_twice_are_noted_once(ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider) -> None:
    handed = await ai.batch("x/y").submit(["one", "two"])
    first = await ai.batch("x/y").results(handed)
    again = await ai.batch("x/y").results(handed)
    assert [item.call_id for item in first] == [item.call_id for item in again]
    assert len(log.rows) == len(log.closed) == 2
    assert {row.batch_id for row in log.rows} == {handed.id}


async def test_b195_a_schema_lost_across_processes_is_given_again_or_not_checked(
    ai: LoggedAI, fake: FakeAIProvider
) -> None:
    fake.respond("one", '{"good": true}')
    batch = ai.batch("x/y")
    handed = await batch.submit([BatchRequest(prompt="one", schema=Verdict)])
    (kept,) = await batch.results(handed)
    (lost,) = await ai.batch("x/y").results(handed)
    (given,) = await ai.batch("x/y").results(handed, schemas={"request-1": Verdict})
    assert kept.object == given.object == Verdict(good=True)
    assert (lost.status, lost.object, lost.text) == ("succeeded", None, '{"good": true}')


async def test_b193_an_item_that_failed_has_an_error_and_no_result(
    ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider
) -> None:
    fake.respond("two", RuntimeError("this one broke"))
    items = await ai.batch("x/y").results(await ai.batch("x/y").submit(["one", "two"]))
    assert [(item.status, item.text, item.error) for item in items] == [
        ("succeeded", "fake answer", None),
        ("failed", None, "this one broke"),
    ]
    assert [row.cost for row in log.rows] == [fake.cost, 0]


async def test_a_batch_on_its_way_has_no_results_yet(ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider) -> None:
    fake.batch_status = "processing"
    handed = await ai.batch("x/y").submit(["one"])
    with pytest.raises(AIUnavailable, match="is processing"):
        await ai.batch("x/y").results(handed)
    assert log.rows == []


@pytest.mark.parametrize(
    "requests",
    [[], "one text", [BatchRequest(id="a", prompt="x"), BatchRequest(id="a", prompt="y")], [BatchRequest(prompt=" ")]],
)
async def test_what_is_no_batch_is_refused(ai: LoggedAI, requests: Any) -> None:
    with pytest.raises(AIBadRequest):
        await ai.batch("x/y").submit(requests)


async def test_a_provider_without_batches_says_so(log: MemoryLog) -> None:
    class OneByOne:
        generate = stream = embed = None

    provider: Any = OneByOne()
    with pytest.raises(AIBadRequest, match="knows no batches"):
        await create_ai_helper("tests", log, providers=Providers(everything=provider)).batch("x/y").submit(["one"])


async def test_a_batch_is_handed_in_only_if_it_can_be_paid(log: MemoryLog, ai: LoggedAI, fake: FakeAIProvider) -> None:
    log.refuse_with = BudgetExceeded("run x", Decimal(1), Decimal(1))
    with pytest.raises(BudgetExceeded):
        await ai.batch("x/y").submit(["one"])
    assert fake.calls == []


async def test_an_answer_that_never_came_failed(log: MemoryLog) -> None:
    line = {"custom_id": "a", "response": {"status_code": 200, "body": _body(openai())}}
    refused = {"custom_id": "b", "response": {"status_code": 400, "body": {"error": {"message": "too long"}}}}

    async def act(ai: LoggedAI) -> Any:
        batch = ai.batch("openai/gpt-5")
        handed = await batch.submit([BatchRequest(id=name, prompt="p") for name in "abc"])
        return await batch.results(handed)

    server, items = await asked(
        log,
        act,
        answer({"id": "file-1"}),
        answer({"id": "b1", "status": "validating"}),
        answer({"id": "b1", "status": "completed", "output_file_id": "o1", "error_file_id": "e1"}),
        answer({"id": "b1", "status": "completed", "output_file_id": "o1", "error_file_id": "e1"}),
        answer(json.dumps(line).encode()),
        answer(json.dumps(refused).encode()),
    )
    assert [(item.id, item.status, item.error) for item in items] == [
        ("a", "succeeded", None),
        ("b", "failed", "too long"),
        ("c", "failed", "no answer came"),
    ]
    assert b'"custom_id": "c"' in server.asked[0].body


def _body(said: bytes) -> Any:
    return json.loads(said.partition(b"\r\n\r\n")[2])


def gemini_batch(state: str, *rows: Any, **more: Any) -> bytes:
    answered = {"inlinedResponses": {"inlinedResponses": list(rows)}} if rows else {}
    return answer({"name": "batches/b1", "metadata": {"state": state}, "response": answered, **more})


async def test_google_batches(log: MemoryLog) -> None:
    hi = {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 100}}  # fmt: skip
    done = gemini_batch(
        "BATCH_STATE_SUCCEEDED",
        {"response": hi, "metadata": {"key": "b"}},
        {"error": {"code": 3, "message": "bad item"}, "metadata": {"key": "a"}},
    )

    async def act(ai: LoggedAI) -> Any:
        batch = ai.batch("google/gemini-2.5-flash")
        handed = await batch.submit([BatchRequest(id="a", prompt="x"), BatchRequest(id="b", prompt="y")])
        return handed, await batch.status(handed.id), await batch.results(handed.id)

    server, (handed, running, items) = await asked(
        log, act, gemini_batch("BATCH_STATE_PENDING"), gemini_batch("BATCH_STATE_RUNNING"), done
    )
    assert (handed.id, handed.status, running.status) == ("batches/b1", "pending", "processing")
    sent = server.asked[0].json["batch"]["input_config"]["requests"]["requests"]
    assert [one["metadata"]["key"] for one in sent] == ["a", "b"]
    assert server.asked[1].path == "/v1beta/batches/b1"
    failed, good = items
    assert (failed.id, failed.status, failed.error) == ("a", "failed", "bad item")
    assert (failed.text, failed.object) == (None, None)
    assert (good.id, good.text, good.cost) == ("b", "hi", Decimal("0.000275"))
    assert {row.id: (row.status, row.cost) for row in log.rows} == {
        failed.call_id: ("error", 0),
        good.call_id: ("ok", good.cost),
    }


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ({"status": "completed", "output_file_id": None}, "processing"),
        ({"status": "completed", "output_file_id": "f"}, "completed"),
        ({"status": "expired"}, "failed"),
        ({"status": "cancelled"}, "failed"),
        ({"status": "validating"}, "pending"),
        ({"status": "a word nobody knows"}, "processing"),
    ],
)
async def test_b199_completed_without_a_file_is_still_processing(
    log: MemoryLog, found: dict[str, Any], status: str
) -> None:
    _, state = await asked(log, lambda ai: ai.batch("openai/x").status("b"), answer({"id": "b", **found}))
    assert state.status == status


async def test_b193_a_batch_that_failed_as_a_whole_has_no_results(log: MemoryLog) -> None:
    failed = answer({"id": "b", "status": "failed", "errors": {"data": [{"message": "line 1 is no JSON"}]}})
    with pytest.raises(AIBadResponse, match="line 1 is no JSON"):
        await asked(log, lambda ai: ai.batch("openai/x").results("b"), failed)
    act: Act = lambda ai: ai.batch("google/x").results("b")  # noqa: E731
    with pytest.raises(AIBadResponse, match="expired"):
        await asked(log, act, gemini_batch("JOB_STATE_EXPIRED"))
    assert log.rows == []


async def test_ids_do_not_climb(log: MemoryLog) -> None:
    server, _ = await asked(log, lambda ai: ai.batch("openai/x").status("../files/f?x"), answer({"id": "b"}))
    assert server.asked[0].path == "/batches/..%2Ffiles%2Ff%3Fx"
    with pytest.raises(AIBadRequest):
        await asked(log, lambda ai: ai.batch("openai/x").status(".."), answer({"id": "b"}))
