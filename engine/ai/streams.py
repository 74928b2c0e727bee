"""Answers as they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable

from engine.ai.kept_answers import text_in
from engine.ai.ledger import Abandoned, Call
from engine.ai.providers.adapting import closed
from engine.definition.ai import TextResult
from engine.errors import AIBadResponse, AIError
from engine.model.json import clean_text
from engine.model.records import AICallRecord
from engine.ports.ai_providers import Piece, TextAnswer


class RecordedStream:
    """`engine.definition.ai.TextStream` over one call, which begins with the first piece that is asked for."""

    def __init__(
        self,
        begin: Callable[[], Call],
        ask: Callable[[], AsyncIterator[Piece | TextAnswer]],
        result: Callable[[TextAnswer, AICallRecord], TextResult],
    ) -> None:
        self._received = _Received()
        self._pieces = _pieces(begin, ask, result, self._received)

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        return await anext(self._pieces)

    @property
    def text(self) -> str:
        return "".join(self._received.texts)

    @property
    def reasoning(self) -> str:
        return "".join(self._received.thoughts)

    async def result(self) -> TextResult:
        async for _ in self._pieces:
            pass
        if self._received.error is not None:
            raise self._received.error
        if self._received.result is None:
            raise AIError("the stream was closed before its end")
        return self._received.result

    async def aclose(self) -> None:
        await self._pieces.aclose()


class _Received:
    """What came so far: apart from the stream, so that one nobody holds any more can go and close its call."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.result: TextResult | None = None
        self.error: AIError | None = None

    def take(self, piece: Piece) -> str:
        text = clean_text(piece.text)
        self.texts.append(text)
        self.thoughts.append(clean_text(piece.reasoning))
        return text


async def _pieces(
    begin: Callable[[], Call],
    ask: Callable[[], AsyncIterator[Piece | TextAnswer]],
    result: Callable[[TextAnswer, AICallRecord], TextResult],
    received: _Received,
) -> AsyncGenerator[str, None]:
    call = begin()
    await call.open()
    answer: TextAnswer | None = None
    try:
        answer = await call.recalled(text_in)
        if answer is not None:
            yield received.take(Piece(answer.text, answer.reasoning or ""))
        else:
            pieces = ask()
            try:
                async for piece in pieces:
                    if isinstance(piece, TextAnswer):
                        answer = piece
                        break
                    call.came()
                    if text := received.take(piece):
                        yield text
            finally:
                await closed(pieces)
        if answer is None:
            raise AIBadResponse("the stream ended without a finish reason", provider=call.record.provider)
    except GeneratorExit:
        if answer is None:
            await call.failed(Abandoned("the reader left before the end"), None, "".join(received.texts))
        else:
            await call.answered(answer)
        raise
    except BaseException as error:
        raised = await call.failed(error, None, "".join(received.texts))
        if isinstance(raised, AIError):
            received.error = raised
        if raised is error:
            raise
        raise raised from error
    received.result = result(answer, await call.answered(answer))
