"""Batches: many requests handed in at once, their answers noted once however often they are fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from engine.ai.directory import Found
from engine.ai.json_answers import AskedObject, problems_with
from engine.ai.kept_answers import kept
from engine.ai.ledger import Ledger, cost_of, typed
from engine.ai.requests import options_for, shown, text_request
from engine.definition.ai import BatchItem, BatchRequest, BatchStatus
from engine.errors import AIBadRequest, AIBadResponse, AIUnavailable
from engine.model.ids import ALPHABET, LENGTH
from engine.model.json import clean_text
from engine.model.records import AICallRecord
from engine.model.redaction import fit_to_write
from engine.ports.ai_providers import BatchAnswer, BatchProvider, TextRequest, Usage


class RecordedBatch:
    """`engine.definition.ai.AIBatch` of one model."""

    def __init__(self, found: Found, ledger: Ledger, topic: str, providers: Collection[str]) -> None:
        self._found = found
        self._ledger = ledger
        self._topic = topic
        self._providers = providers
        self._asked: dict[str, dict[str, tuple[BatchRequest, TextRequest]]] = {}
        """What this object handed in, by batch and id."""

    async def submit(self, requests: Sequence[BatchRequest | str]) -> BatchStatus:
        asked = self._checked(requests)
        made = {one.id: self._request(one) for one in asked}
        provider = self._provider()
        await self._ledger.log.afford()
        try:
            status = await provider.submit(list(made.items()))
        except Exception as error:
            raise typed(error, self._found.provider) from error
        self._asked[status.id] = {one.id: (one, made[one.id]) for one in asked}
        return status

    async def status(self, batch_id: str | BatchStatus) -> BatchStatus:
        try:
            return await self._provider().batch(self._found.model, _id(batch_id))
        except Exception as error:
            raise typed(error, self._found.provider) from error

    async def results(
        self, batch_id: str | BatchStatus, *, schema: Any = None, schemas: Mapping[str, Any] | None = None
    ) -> list[BatchItem]:
        id = _id(batch_id)
        status = await self.status(id)
        if not status.ended:
            raise AIUnavailable(f"the batch {id} is {status.status}", provider=self._found.provider)
        try:
            answers = list(await self._provider().collect(self._found.model, id))
        except Exception as error:
            raise typed(error, self._found.provider) from error
        if status.status == "failed" and not answers:
            raise AIBadResponse(status.error or "the batch failed", provider=self._found.provider)
        asked = self._asked.get(id, {})
        known = {item: one.schema for item, (one, _) in asked.items() if one.schema is not None}
        wanted = {**{answer.id: schema for answer in answers if schema is not None}, **known, **(schemas or {})}
        answers += [BatchAnswer(item, error="no answer came") for item in asked.keys() - {one.id for one in answers}]
        rows = [await self._row(id, answer, asked.get(answer.id), wanted.get(answer.id)) for answer in answers]
        await self._note(id, [record for _, record in rows])
        order = {item: place for place, item in enumerate(asked)}
        return sorted((item for item, _ in rows), key=lambda item: order.get(item.id, len(order)))

    async def _note(self, batch_id: str, records: Sequence[AICallRecord]) -> None:
        """Each once: the rows' ids follow from the batch's and the request's, so a second time is the same row."""
        before = set(await self._ledger.log.recorded(batch_id))
        fresh = [record for record in records if record.id not in before]
        if fresh:
            await self._ledger.log.close(*fresh)

    async def _row(
        self,
        batch_id: str,
        answer: BatchAnswer,
        asked: tuple[BatchRequest, TextRequest] | None,
        schema: Any,
    ) -> tuple[BatchItem, AICallRecord]:
        item, record = _item(answer, schema), self._record(batch_id, answer, asked)
        if answer.answer is None:
            cost: Decimal | None = Decimal(0)  # providers bill what they answered
        else:
            cost = await cost_of(record, answer.answer, batch=True)
        failed = item.error is not None
        record = record._replace(
            status="error" if failed else "ok",
            cost=cost,
            error=fit_to_write(item.error or "") or None,
            error_code="AIBadResponse" if failed else None,
        )
        return replace(item, cost=cost, call_id=record.id), record

    def _record(
        self, batch_id: str, answer: BatchAnswer, asked: tuple[BatchRequest, TextRequest] | None
    ) -> AICallRecord:
        found, given = self._found, answer.answer
        usage = (given.usage if given else None) or Usage()
        return AICallRecord(
            id=_call_id(found.provider, batch_id, answer.id),
            topic=self._topic,
            call_type="batch",
            model=found.id,
            provider=found.provider,
            created_at=datetime.now(UTC),
            batch_id=batch_id,
            answered_by=given.answered_by if given else None,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            finish_reason=given.finish_reason if given else None,
            prompt=shown(asked[1]) if asked else None,
            response=clean_text(given.text) if given else None,
            answer=kept(given, wanted=True) if given else None,
        )

    def _provider(self) -> BatchProvider:
        adapter = self._found.adapter
        if not all(hasattr(adapter, name) for name in ("submit", "batch", "collect")):
            raise AIBadRequest("this provider knows no batches", provider=self._found.provider)
        return cast("BatchProvider", adapter)

    def _checked(self, requests: Sequence[BatchRequest | str]) -> list[BatchRequest]:
        if not requests or isinstance(requests, str):
            raise AIBadRequest("a batch needs a list of requests with one request at least")
        asked = [
            replace(one, id=one.id or f"request-{number}")
            for number, one in enumerate(
                (BatchRequest(prompt=one) if isinstance(one, str) else one for one in requests), start=1
            )
        ]
        ids = [one.id for one in asked]
        twice = sorted({id for id in ids if ids.count(id) > 1}) if len(set(ids)) < len(ids) else []
        if twice:
            raise AIBadRequest(f"two requests of the batch are called {twice[0]!r}")
        return asked

    def _request(self, one: BatchRequest) -> TextRequest:
        request = text_request(
            self._found.model,
            one.prompt,
            system=one.system,
            temperature=one.temperature,
            max_tokens=one.max_tokens,
            reasoning=one.reasoning,
            options=options_for(self._found.provider, one.provider_options, self._providers),
        )
        return request if one.schema is None else replace(request, schema=AskedObject(one.schema).json_schema)


def _id(batch_id: str | BatchStatus) -> str:
    return batch_id if isinstance(batch_id, str) else batch_id.id


def _item(answer: BatchAnswer, schema: Any) -> BatchItem:
    given = answer.answer
    if given is None:
        return BatchItem(id=answer.id, status="failed", error=answer.error or "an error without a word")
    usage = given.usage or Usage()
    item = BatchItem(
        id=answer.id,
        status="succeeded",
        text=clean_text(given.text),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning=given.reasoning,
        finish_reason=given.finish_reason,
    )
    if schema is None:
        return item
    try:
        return replace(item, object=AskedObject(schema).read(given.text))
    except (ValueError, RecursionError) as error:
        return replace(item, status="failed", text=None, error=f"not the object asked for: {problems_with(error)}")


def _call_id(provider: str, batch_id: str, item: str) -> str:
    """The id of the row of one request of a batch: always the same, in whatever process it is fetched."""
    number = int.from_bytes(hashlib.sha256(f"{provider}\0{batch_id}\0{item}".encode(errors="replace")).digest())
    return "".join(ALPHABET[number >> 5 * place & 31] for place in range(LENGTH))
