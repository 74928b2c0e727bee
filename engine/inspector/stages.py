"""Questions about single stages: what each attempt was given and gave, an artifact's bytes, the usual times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from engine.errors import RunNotFound, StageNotFound
from engine.inspector.payloads import Payloads
from engine.inspector.views import View
from engine.model.criteria import PageRequest, RunFilter
from engine.model.json import loads
from engine.model.read_records import AttemptTexts
from engine.model.records import ArtifactRecord
from engine.model.status import RunStatus, StageStatus
from engine.model.text import storable
from engine.ports.blobs import BlobStore
from engine.ports.persistence import Persistence
from engine.ports.reads import ReadStore

R = TypeVar("R")
USUAL_RUNS = 50
"""Of so many runs that completed last the usual times are taken."""


class AttemptValues(View):
    """One attempt of a stage with its payloads; `input` is None where it was too large to be kept."""

    attempt: int
    generation: int
    status: StageStatus
    input: Any
    output: Any
    config: Any
    error: str | None
    error_code: str | None


class ArtifactContent(View):
    """An artifact, whole."""

    name: str
    media_type: str
    size: int
    digest: str
    content: bytes


class UsualTimes(View):
    """How long a stage took in the last runs that completed: median and 95th percentile, in milliseconds."""

    runs: int
    p50_ms: int
    p95_ms: int


class StagesInspector:
    """The part of the inspector about single stages."""

    _persistence: Persistence
    _blobs: BlobStore

    async def attempts(self, run_id: str, stage_id: str) -> list[AttemptValues]:
        """Every attempt of the stage, in order, payloads resolved. Raises `RunNotFound`, `StageNotFound`."""

        def read(reads: ReadStore) -> list[AttemptTexts]:
            found = reads.attempt_texts(run_id, stage_id)
            if not found and not any(stage.stage_id == stage_id for stage, _ in reads.stages(run_id)):
                _missing(reads, run_id, stage_id)
            return found

        found = await self._read_one(run_id, stage_id, read)
        texts = [text for one in found for text in (one.input, one.output, one.config)]
        payloads = await Payloads.fetch(self._blobs, texts)
        return [
            AttemptValues(
                attempt=one.attempt,
                generation=one.generation,
                status=one.status,
                input=payloads.value(one.input),
                output=payloads.value(one.output),
                config=payloads.value(one.config),
                error=one.error,
                error_code=one.error_code,
            )
            for one in found
        ]

    async def suspended_state(self, run_id: str, stage_id: str) -> Any:
        """What a waiting stage remembers, such as the id of its batch; None when it does not wait."""
        text = await self._read_one(run_id, stage_id, lambda reads: reads.suspended_state(run_id, stage_id))
        return None if text is None else loads(text)

    async def artifact(
        self, run_id: str, stage_id: str, name: str, *, attempt: int | None = None
    ) -> ArtifactContent | None:
        """An artifact's bytes, of the latest attempt unless one is named; None when there is none, or no longer."""

        def read(reads: ReadStore) -> ArtifactRecord | None:
            return reads.artifact(run_id, stage_id, name, attempt) if storable(name) else None

        found = await self._read_one(run_id, stage_id, read)
        if found is None:
            return None
        try:
            content = await self._blobs.get(found.blob_key)
        except KeyError:
            return None
        return ArtifactContent(
            name=found.name, media_type=found.media_type, size=found.size, digest=found.digest, content=content
        )

    async def usual_times(self, workflow_id: str) -> dict[str, UsualTimes]:
        """By stage id, from the last 50 runs of the workflow that completed; empty when none did."""
        lately = RunFilter(workflow_id=(workflow_id,), status=(RunStatus.COMPLETED,))

        def read(reads: ReadStore) -> dict[str, UsualTimes]:
            ids = [run.id for run in reads.runs(lately, PageRequest(limit=USUAL_RUNS)).items]
            took: dict[str, list[int]] = defaultdict(list)
            for stage_id, started_at, completed_at in reads.stage_times(ids):
                took[stage_id].append(max(0, (completed_at - started_at) // timedelta(milliseconds=1)))
            return {stage_id: _usual(sorted(times)) for stage_id, times in took.items()}

        return await self._persistence.read(read)

    async def _read_one(self, run_id: str, stage_id: str, fn: Callable[[ReadStore], R]) -> R:
        if not storable(run_id):
            raise RunNotFound(run_id)
        if not storable(stage_id):
            raise StageNotFound(stage_id)
        return await self._persistence.read(fn)


def _missing(reads: ReadStore, run_id: str, stage_id: str) -> None:
    raise StageNotFound(stage_id) if reads.exists(run_id) else RunNotFound(run_id)


def _usual(times: Sequence[int]) -> UsualTimes:
    def at(share: float) -> int:
        return times[min(len(times) - 1, int(share * len(times)))]

    return UsualTimes(runs=len(times), p50_ms=at(0.5), p95_ms=at(0.95))
