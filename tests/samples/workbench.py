"""Stages run by hand, with a context that remembers what they said."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from engine import StageContext, Suspend
from engine.ai import create_ai_helper
from engine.testing import CollectingAICallLog


class Recorder:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []
        self.fractions: list[float] = []
        self.annotations: dict[str, Any] = {}
        self.cancelled = False

    def log(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        self.lines.append((str(level), message, dict(fields)))

    def progress(self, fraction: float, message: str, details: Mapping[str, Any]) -> None:
        self.fractions.append(fraction)

    def annotate(self, key: str, value: Any) -> None:
        self.annotations[key] = value

    @property
    def levels(self) -> list[str]:
        return [level for level, _, _ in self.lines]


class StoredOutputs:
    def __init__(self, outputs: Mapping[str, Any]) -> None:
        self._outputs = outputs

    def read(self, stage_id: str) -> Any:
        return self._outputs[stage_id]

    def stage_ids(self) -> list[str]:
        return sorted(self._outputs)


class NoStorage:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"no sample stores anything, but {name} was called")


class Workbench:
    """Runs a stage's body as the engine would: input and config validated, the output too."""

    def __init__(self) -> None:
        self.reporter = Recorder()
        self.calls = CollectingAICallLog()
        self.outputs: dict[str, Any] = {}

    def context(
        self,
        stage: Any,
        given: Any,
        config: Mapping[str, Any] | None = None,
        *,
        attempt: int = 1,
        **more: Any,
    ) -> StageContext[Any, Any]:
        return StageContext(
            run_id="r" * 20,
            workflow_id="sample",
            stage_id=stage.id,
            stage_name=stage.name,
            stage_number=1,
            attempt=attempt,
            input=stage.input.validate(given),
            config=stage.config.validate(dict(config or {})),
            idempotency_key=more.pop("idempotency_key", "key-1"),
            reporter=self.reporter,
            outputs=StoredOutputs(self.outputs),
            storage=NoStorage(),
            ai=create_ai_helper("sample", self.calls),
            **more,
        )

    async def run(self, stage: Any, given: Any, config: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """What the body answers: a `Suspend` as it is, an output as plain JSON (kept for `ctx.require`)."""
        ctx = self.context(stage, given, config, **more)
        answer = await stage.body(ctx) if stage.is_async else await asyncio.to_thread(stage.body, ctx)
        if isinstance(answer, Suspend):
            return answer
        self.result = answer
        output = getattr(answer, "output", answer)
        self.outputs[stage.id] = stage.output.dump(output)
        return self.outputs[stage.id]
