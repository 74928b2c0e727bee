"""The helper itself: rows, caches, budgets, streams, tools and objects, whoever answers."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from memory_log import MemoryLog
from pydantic import BaseModel

from engine import (
    AIBadRequest,
    AIBadResponse,
    AIError,
    AIUnavailable,
    BudgetExceeded,
    DefinitionError,
    ImagePart,
    UnknownModel,
)
from engine.ai import AIProvider, Providers, create_ai_helper, register_provider
from engine.ai import directory as directories
from engine.ai.logged_ai import LoggedAI
from engine.definition.context import AIHelper
from engine.ports.ai_providers import EmbedAnswer, EmbedRequest, Piece, TextAnswer, TextRequest, ToolCall
from engine.testing import FakeAIProvider


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def fake() -> FakeAIProvider:
    return FakeAIProvider()


@pytest.fixture
def ai(log: MemoryLog, fake: FakeAIProvider) -> LoggedAI:
    return create_ai_helper("workflow.r1.stage.s1", log, providers=Providers(everything=fake))


def calls(name: str, arguments: str = "{}") -> TextAnswer:
    return TextAnswer("", finish_reason="tool_calls", calls=(ToolCall("c1", name, arguments),), cost=Decimal("0.01"))


async def test_b189_a_stream_is_one_row_asked_for_its_usage_or_not(ai: LoggedAI, log: MemoryLog) -> None:
    stream = ai.stream_text("a/b", "go")
    assert [piece async for piece in stream] == ["fake", " answer"]
    assert (len(log.closed), log.row.status, log.row.output_tokens) == (1, "ok", 20)
    first, second = await stream.result(), await stream.result()
    assert first is second
    assert (first.text, first.cost, first.call_id) == ("fake answer", Decimal("0.001"), log.row.id)
    assert len(log.closed) == 1


async def test_a_stream_that_is_left_is_one_row(ai: LoggedAI, log: MemoryLog) -> None:
    async for piece in ai.stream_text("a/b", "go"):
        assert piece == "fake"
        break
    gc.collect()
    await ai.settle()
    assert (log.row.status, log.row.error_code, log.row.response) == ("error", "Abandoned", "fake")
    assert log.row.cost is None


async def test_a_stream_that_is_held_but_left_is_closed_with_its_body(ai: LoggedAI, log: MemoryLog) -> None:
    stream = ai.child("part").stream_text("a/b", "go")
    assert await anext(stream) == "fake"
    await ai.settle()
    assert log.row.error_code == "Abandoned"
    with pytest.raises(AIError, match="closed before its end"):
        await stream.result()


async def test_a_stream_nobody_reads_is_no_call(ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider) -> None:
    ai.stream_text("a/b", "go")
    await ai.settle()
    assert (log.rows, fake.calls) == ([], [])


async def test_a_cancelled_call_is_noted_though_its_log_is_slow(log: MemoryLog, fake: FakeAIProvider) -> None:
    written = asyncio.Event()

    class SlowLog(MemoryLog):
        async def close(self, *calls: object) -> None:
            await written.wait()
            await super().close(*calls)  # type: ignore[arg-type]

    slow = SlowLog()
    fake.latency = 60
    ai = create_ai_helper("t", slow, providers=Providers(everything=fake))
    task = asyncio.create_task(ai.generate_text("a/b", "go"))
    while not fake.calls:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    written.set()
    await ai.settle()
    assert slow.row.error_code == "Cancelled"


async def test_b198_children_speak_under_their_parents_topic(ai: LoggedAI, log: MemoryLog) -> None:
    await ai.child("parts").child("1").generate_text("a/b", "go")
    assert log.row.topic == "workflow.r1.stage.s1.parts.1"


@pytest.mark.parametrize("model", ["opnai/gpt-5", "nobody/x", "no-such-model-9", "", "openai/"])
async def test_b191_a_model_of_nobody_is_an_error_and_no_call(log: MemoryLog, model: str) -> None:
    ai = create_ai_helper("t", log)
    with pytest.raises(UnknownModel) as caught:
        await ai.generate_text(model, "go")
    assert caught.value.model == model
    if model == "opnai/gpt-5":
        assert caught.value.near == ["openai/gpt-5"]
    assert log.rows == []


def test_a_model_is_found_by_its_whole_name_or_by_one_we_know() -> None:
    providers = Providers({"local": {"base_url": "http://localhost:1/v1"}})
    assert providers.find("openai/gpt-99-brand-new").model == "gpt-99-brand-new"
    assert providers.find("local/org/model:tag").model == "org/model:tag"
    assert providers.find("gpt-5-mini").id == "openai/gpt-5-mini"
    with pytest.raises(DefinitionError):
        providers.register("a/b", FakeAIProvider())


async def test_a_provider_of_ones_own_is_asked(log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine:
        async def generate(self, request: TextRequest) -> TextAnswer:
            return TextAnswer(f"{request.model} says hi\x00")

        async def stream(self, request: TextRequest) -> AsyncIterator[Piece | TextAnswer]:
            raise RuntimeError("no streams here")
            yield Piece()

        async def embed(self, request: EmbedRequest) -> EmbedAnswer:
            return EmbedAnswer(((1.0,),))

    mine: AIProvider = Mine()
    monkeypatch.setattr(directories, "PROVIDERS", Providers())
    register_provider("mine", mine)
    ai = create_ai_helper("t", log, providers=directories.PROVIDERS)
    result = await ai.generate_text("mine/m1", "go")
    assert (result.text, result.cost) == ("m1 says hi\ufffd", None)
    with pytest.raises(AIUnavailable, match="RuntimeError"):
        await ai.stream_text("mine/m1", "go").result()
    with pytest.raises(AIBadResponse, match="1 vectors for 2 texts"):
        await ai.embed("mine/m1", ["a", "b"])
    assert [row.status for row in log.rows] == ["ok", "error", "error"]


async def test_a_budget_that_is_spent_lets_nothing_through(ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider) -> None:
    log.refuse_with = BudgetExceeded("run r1", Decimal(1), Decimal("1.25"))
    with pytest.raises(BudgetExceeded, match=r"run r1 is spent: 1\.25 of 1 US dollars"):
        await ai.generate_text("a/b", "go")
    with pytest.raises(BudgetExceeded):
        await ai.stream_text("a/b", "go").result()
    assert (log.rows, fake.calls) == ([], [])


async def test_an_equal_request_is_answered_from_the_cache(ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider) -> None:
    fake.respond("go", TextAnswer("first", cost=Decimal("0.01"), reasoning="hm"))
    first = await ai.generate_text("a/b", "go", cache="run", timeout=1)
    again = await ai.generate_text("a/b", "go", cache="global", timeout=2)
    assert (again.text, again.reasoning, again.reused, again.cost) == ("first", "hm", True, 0)
    assert not first.reused
    assert len(fake.calls) == 1
    assert log.rows[1].reused
    assert (log.rows[1].cost, log.rows[1].input_tokens, log.rows[1].response) == (0, 0, "first")
    assert [scope for _, scope in log.asked] == ["run", "global"]
    streamed = ai.stream_text("a/b", "go", cache="run")
    assert [piece async for piece in streamed] == ["first"]
    vectors = [await ai.embed("a/b", ["x", "y"], cache="run") for _ in range(2)]
    assert vectors[0].embeddings == vectors[1].embeddings
    assert len(fake.calls) == 2


async def test_what_differs_is_asked_anew(ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider) -> None:
    for temperature, prompt in [(0.1, "go"), (0.2, "go"), (0.2, "go on")]:
        await ai.generate_text("a/b", prompt, temperature=temperature, cache="run")
    await ai.generate_text("a/c", "go", temperature=0.1, cache="run")
    await ai.generate_text("a/b", ["go", ImagePart(data=b"1")], temperature=0.1, cache="run")
    await ai.generate_text("a/b", ["go", ImagePart(data=b"2")], temperature=0.1, cache="run")
    assert len(fake.calls) == 6
    assert len({row.request_key for row in log.rows}) == 6


async def test_failures_are_not_remembered(ai: LoggedAI, fake: FakeAIProvider) -> None:
    fake.fail(AIUnavailable("down"))
    with pytest.raises(AIUnavailable):
        await ai.generate_text("a/b", "go", cache="run")
    assert not (await ai.generate_text("a/b", "go", cache="run")).reused


async def test_an_object_that_does_not_fit_is_asked_for_once_more(
    ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider
) -> None:
    fake.respond("who", '{"name": "Ann", "age": "old"}')
    fake.respond("does not fit", 'Here: {"name": "Ann", "age": 7}')
    result = await ai.generate_object("a/b", "who", Person)
    assert result.object == Person(name="Ann", age=7)
    assert [(row.status, row.error_code) for row in log.rows] == [("error", "AIBadResponse"), ("ok", None)]
    assert (result.cost, result.input_tokens) == (Decimal("0.002"), 20)
    assert "age: Input should be a valid integer" in fake.calls[1].prompt


async def test_an_object_that_never_fits_is_an_error(ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider) -> None:
    fake.respond("who", "I would rather not")
    with pytest.raises(AIBadResponse, match="not the object asked for"):
        await ai.generate_object("a/b", "who", Person)
    assert [(row.status, row.cost) for row in log.rows] == [("error", Decimal("0.001"))] * 2


async def test_tools_are_called_with_checked_arguments(ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider) -> None:
    def slow(times: int, schema: str = "x") -> str:
        return schema * times

    async def quick(day: list[int]) -> dict[str, int]:
        return {"days": len(day)}

    answers = iter([
        calls("slow", '{"times": "many"}'), calls("slow", '{"times": 3, "schema": "y"}'),
        calls("quick", '{"day": [1]}'), calls("none"), calls("slow", "{half"), TextAnswer("done", cost=Decimal("0.01")),
    ])  # fmt: skip
    fake.default = lambda prompt: next(answers)
    result = await ai.generate_text("a/b", "go", tools=[slow, quick])
    assert result.text == "done"
    assert result.cost == Decimal("0.06")
    request = fake.calls[-1].request
    assert isinstance(request, TextRequest)
    told = [(outcome.text, outcome.failed) for turn in request.turns for outcome in turn.outcomes]
    assert told[1:3] == [("yyy", False), ('{"days":1}', False)]
    assert [failed for _, failed in told] == [True, False, False, True, True]
    assert "times: Input should be a valid integer" in told[0][0]
    assert "there is no tool 'none'" in told[3][0]
    assert request.tools[0].parameters["required"] == ["times"]


async def test_a_tool_that_breaks_is_told_and_the_engines_errors_are_raised(
    ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider
) -> None:
    def breaks() -> None:
        raise RuntimeError("api_key=abcdef123456")

    def over() -> None:
        raise BudgetExceeded("run", Decimal(1), Decimal(1))

    answers = iter([calls("breaks"), calls("over")])
    fake.default = lambda prompt: next(answers)
    with pytest.raises(BudgetExceeded):
        await ai.generate_text("a/b", "go", tools=[breaks, over])
    assert "[redacted]" in (log.rows[1].prompt or "")
    assert [row.status for row in log.rows] == ["ok", "ok"]


async def test_steps_with_tools_have_an_end(ai: LoggedAI, log: MemoryLog, fake: FakeAIProvider) -> None:
    fake.default = calls("again")

    def again() -> str:
        return "again"

    result = await ai.generate_text("a/b", "go", tools=[again], tool_choice="required", max_steps=3)
    requests = [call.request for call in fake.calls if isinstance(call.request, TextRequest)]
    assert [request.tool_choice for request in requests] == ["required", "auto", "auto"]
    assert (len(log.rows), result.finish_reason) == (3, "tool_calls")


@pytest.mark.parametrize("tools", [[lambda *many: 1], [print, print], [len]])
async def test_what_is_no_tool_is_refused(ai: LoggedAI, log: MemoryLog, tools: list[object]) -> None:
    with pytest.raises(DefinitionError):
        await ai.generate_text("a/b", "go", tools=tools)  # type: ignore[arg-type]
    assert log.rows == []


async def test_an_empty_prompt_is_refused_and_no_texts_are_no_call(ai: LoggedAI, log: MemoryLog) -> None:
    with pytest.raises(AIBadRequest, match="prompt is empty"):
        await ai.generate_text("a/b", "  ")
    assert (await ai.embed("a/b", [])).embeddings == []
    assert log.rows == []


async def test_the_helper_is_what_a_stage_is_promised(ai: LoggedAI) -> None:
    promised: AIHelper = ai
    assert promised.topic == "workflow.r1.stage.s1"
