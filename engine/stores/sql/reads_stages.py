"""Reading the stages of a run one by one: what each attempt was given and gave, artifacts, usual times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from engine.model.read_records import AttemptTexts
from engine.model.records import ArtifactRecord
from engine.model.status import StageStatus
from engine.stores.sql.dialect import Prepared
from engine.stores.sql.reading import Reading
from engine.stores.sql.rows import Mapping, constant, where
from engine.stores.sql.stages import ARTIFACT
from engine.stores.sql.tables import artifacts, attempts, stages

_OVER = Mapping(AttemptTexts, attempts, {"status": StageStatus})
_CURRENT = Mapping(AttemptTexts, stages, {"status": StageStatus})

_over = (
    select(*_OVER.columns)
    .where(attempts.c.run_id == where("run"), attempts.c.stage_id == where("stage"))
    .order_by(attempts.c.attempt)
)
_of_stage = (stages.c.run_id == where("run"), stages.c.stage_id == where("stage"))
_current = select(*_CURRENT.columns).where(*_of_stage)
_state = select(stages.c.suspended_state).where(*_of_stage)
_artifact = (
    select(*ARTIFACT.columns)
    .where(
        artifacts.c.run_id == where("run"), artifacts.c.stage_id == where("stage"), artifacts.c.name == where("name")
    )
    .order_by(artifacts.c.attempt.desc())
)
_prepared = Prepared(
    times=lambda dialect: select(stages.c.stage_id, stages.c.started_at, stages.c.completed_at).where(
        dialect.member(stages.c.run_id, "runs"),
        stages.c.status == constant(StageStatus.COMPLETED),
        stages.c.started_at.is_not(None),
        stages.c.completed_at.is_not(None),
    )
)


class StageReads(Reading):
    """The part of `engine.ports.reads.ReadStore` about single stages."""

    def attempt_texts(self, run_id: str, stage_id: str) -> list[AttemptTexts]:
        values = {"b_run": run_id, "b_stage": stage_id}
        found = _OVER.records(self._ask(_over, values))
        seen = found[-1].attempt if found else 0
        return found + [one for one in _CURRENT.records(self._ask(_current, values)) if one.attempt > seen]

    def suspended_state(self, run_id: str, stage_id: str) -> str | None:
        return self._ask(_state, {"b_run": run_id, "b_stage": stage_id}).scalar()

    def artifact(self, run_id: str, stage_id: str, name: str, attempt: int | None) -> ArtifactRecord | None:
        rows = self._ask(_artifact, {"b_run": run_id, "b_stage": stage_id, "b_name": name})
        found = ARTIFACT.records(rows)
        return next((one for one in found if attempt in (None, one.attempt)), None)

    def stage_times(self, run_ids: Sequence[str]) -> list[tuple[str, datetime, datetime]]:
        if not run_ids:
            return []
        rows = self._ask(_prepared(self._dialect).times, {"runs": self._listed(run_ids)})
        return [(row[0], row[1], row[2]) for row in rows]
