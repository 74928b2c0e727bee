"""`import engine` stays light and gives every public name."""

from __future__ import annotations

import json
import subprocess
import sys

import engine

HEAVY = ("sqlalchemy", "httpx", "textual", "rich", "psycopg", "alembic", "typer")

PROBE = """
import json, sys, time
import pydantic, pydantic_core
for name in ("pydantic.main", "pydantic.type_adapter", "asyncio", "dataclasses"):
    __import__(name)
started = time.process_time()
import engine
spent = time.process_time() - started
print(json.dumps({"spent": spent, "modules": sorted(sys.modules)}))
"""

CONTRACT = [
    "stage",
    "async_batch_stage",
    "StageContext",
    "StageResult",
    "Suspend",
    "Completion",
    "NoInput",
    "NoConfig",
    "WorkflowBuilder",
    "Workflow",
    "RetryPolicy",
    "AIConfig",
    "ConcurrencyConfig",
    "DebugConfig",
    "StandardConfig",
    "define_plugin",
    "Plugin",
    "AIHelper",
    "NonRetryable",
    "CreateRun",
    "ClaimPendingRuns",
    "TransitionRun",
    "CancelRun",
    "RerunFrom",
    "RetryFailed",
    "ExecuteJob",
    "PollSuspendedStages",
    "ReapStaleLeases",
    "ReapStuckRuns",
    "FlushOutbox",
    "ReplayDeadLetters",
    "DiscardDeadLetters",
    "EngineError",
    "DefinitionError",
    "WorkflowNotFound",
    "RunNotFound",
    "StageNotFound",
    "InvalidInput",
    "InvalidConfig",
    "IllegalTransition",
    "IdempotencyInProgress",
    "IdempotencyConflict",
    "LeaseLost",
    "StoreUnavailable",
    "SchemaTooOld",
    "SchemaTooNew",
    "StageOutputMissing",
]


def test_engine_imports_nothing_heavy_and_fast() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    loaded = {name.split(".")[0] for name in found["modules"]}
    assert not loaded & set(HEAVY)
    assert "engine.bootstrap" not in found["modules"]
    assert found["spent"] < 1.0, "engine itself, on top of pydantic, is CPU-cheap to import"


def test_every_name_of_the_contract_is_there() -> None:
    assert set(CONTRACT) <= set(engine.__all__)
    assert all(hasattr(engine, name) for name in engine.__all__)
    assert sorted(set(engine.__all__)) == sorted(engine.__all__)


def test_every_command_has_its_result_beside_it() -> None:
    for name in CONTRACT[CONTRACT.index("CreateRun") : CONTRACT.index("EngineError")]:
        assert f"{name}Result" in engine.__all__
