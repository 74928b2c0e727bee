"""OpenAI's Batch API: a file of requests goes up, a file of answers comes down."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

from engine.ai.http import Ask
from engine.ai.providers.adapting import packed, refused_by, segment, taken
from engine.ai.providers.over_http import ProviderOverHttp
from engine.ai.refusals import error_within
from engine.definition.ai import BatchStatus
from engine.errors import AIError
from engine.model.json import Json, loads
from engine.ports.ai_providers import BatchAnswer, TextRequest

_STATES: dict[str, Literal["pending", "processing", "completed", "failed"]] = {
    "validating": "pending",
    "in_progress": "processing",
    "finalizing": "processing",
    "cancelling": "processing",
    "completed": "completed",
    "failed": "failed",
    "expired": "failed",
    "cancelled": "failed",
}


class OpenAIBatches(ProviderOverHttp):
    """The half of the adapter that speaks of batches."""

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """Those that carry the key."""

    @abstractmethod
    def body(self, request: TextRequest, without: frozenset[str]) -> dict[str, Json]:
        """The request as the API takes it."""

    async def submit(self, requests: Sequence[tuple[str, TextRequest]]) -> BatchStatus:
        line = {"method": "POST", "url": "/v1/chat/completions"}
        lines = [packed({**line, "custom_id": item, "body": self._acceptable(request)}) for item, request in requests]
        content = "\n".join(lines).encode()
        upload = Ask(
            "POST",
            "/files",
            headers=self.headers(),
            files={"file": ("requests.jsonl", content, "application/jsonl")},
            fields={"purpose": "batch"},
        )
        file_id = str(taken(self.name, await self._wire.json(upload)).get("id"))
        body = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        made = await self._wire.json(Ask("POST", "/batches", body, requests[0][1].model, self.headers()))
        return self._status(taken(self.name, made))

    def _acceptable(self, request: TextRequest) -> dict[str, Json]:
        return self.body(request, refused_by(self.name, request.model))

    async def batch(self, model: str, batch_id: str) -> BatchStatus:
        return self._status(await self._found(model, batch_id))

    async def collect(self, model: str, batch_id: str) -> Sequence[BatchAnswer]:
        found = await self._found(model, batch_id)
        answers: list[BatchAnswer] = []
        for file_id in (found.get("output_file_id"), found.get("error_file_id")):
            if file_id:
                path = f"/files/{segment(str(file_id))}/content"
                content = await self._wire.text(Ask("GET", path, None, model, self.headers()))
                answers += [self._answer(loads(line)) for line in content.split("\n") if line.strip()]
        return answers

    async def _found(self, model: str, batch_id: str) -> dict[str, Json]:
        ask = Ask("GET", f"/batches/{segment(batch_id)}", None, model, self.headers())
        return taken(self.name, await self._wire.json(ask))

    def _status(self, found: dict[str, Json]) -> BatchStatus:
        word = str(found.get("status"))
        status = _STATES.get(word, "processing")
        if status == "completed" and not (found.get("output_file_id") or found.get("error_file_id")):
            status = "processing"  # done, but the file isn't there yet
        counts = found.get("request_counts") or {}
        return BatchStatus(
            id=str(found.get("id")),
            status=status,
            provider=self.name,
            error=_error(found, word) if status == "failed" else None,
            total=counts.get("total"),
            done=(counts.get("completed") or 0) + (counts.get("failed") or 0),
        )

    def _answer(self, line: Json) -> BatchAnswer:
        item = str(line.get("custom_id"))
        response = line.get("response") or {}
        body = response.get("body") or {}
        refused = line.get("error") or (body.get("error") if response.get("status_code", 200) >= 400 else None)
        if refused or not body:
            return BatchAnswer(item, error=str(error_within("", refused or "no answer").said))
        try:
            return BatchAnswer(item, self.read(body))
        except AIError as error:
            return BatchAnswer(item, error=error.said)


def _error(found: dict[str, Json], word: str) -> str:
    errors = (found.get("errors") or {}).get("data") or []
    said = "; ".join(str(one.get("message")) for one in errors if one.get("message"))
    return said or f"the batch is {word}"
