"""What a port promises has a case: each of its methods is asked for in the promises of its name."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
from own_files import python_files, tree

from engine.testing import conformance
from engine.testing.conformance import records

PROVEN_BY = {
    "AICallLog": "CallLogPromises",
    "AIProvider": "ProviderPromises",
    "BatchProvider": "BatchProviderPromises",
    "BlobRows": "BlobRowPromises",
    "BlobStore": "BlobPromises",
    "CallStore": "CallPromises",
    "Clock": "ClockPromises",
    "IdempotencyStore": "IdempotencyPromises",
    "JobTransport": "JobPromises",
    "LogStore": "LogPromises",
    "PauseStore": "PausePromises",
    "AuditStore": "AuditPromises",
    "Outbox": "OutboxPromises",
    "Persistence": "StorePromises WatchPromises",
    "Watch": "WatchPromises",
    "ReadStore": "RunReadPromises HistoryPromises TotalPromises DefinitionPromises WorkerPromises PausePromises"
    " AuditPromises BlobRowPromises RetentionPromises SchedulePromises StagePromises StorePromises CallPromises"
    " CallReadPromises CostPromises FleetPromises StageReadPromises TrendPromises",
    "RetentionStore": "RetentionPromises",
    "RunStore": "RunPromises StorePromises",
    "Scheduler": "SchedulerPromises",
    "ScheduleStore": "SchedulePromises",
    "EventSink": "SinkPromises",
    "StageStore": "StagePromises",
    "DefinitionStore": "DefinitionPromises",
    "WorkerStore": "WorkerPromises",
    "UnitOfWork": "RunPromises StagePromises SchedulePromises OutboxPromises WatchPromises PausePromises"
    " BlobRowPromises CallPromises",
}
"""The classes of `engine.testing.conformance` that try each port."""


def ports() -> dict[str, type[Any]]:
    found: dict[str, type[Any]] = {}
    for file in python_files("engine/ports"):
        module = importlib.import_module(f"engine.ports.{file.stem}" if file.stem != "__init__" else "engine.ports")
        found |= {
            name: one
            for name, one in vars(module).items()
            if inspect.isclass(one) and getattr(one, "_is_protocol", False) and one.__module__ == module.__name__
        }
    return found


def asked_for(class_name: str) -> set[str]:
    """Every attribute that the module of these promises asks for, or what it adds its records with."""
    files = (Path(inspect.getfile(getattr(conformance, class_name))), Path(inspect.getfile(records)))
    return {node.attr for file in files for node in ast.walk(tree(file)) if isinstance(node, ast.Attribute)}


def test_every_port_has_its_promises() -> None:
    assert sorted(ports()) == sorted(PROVEN_BY)
    named = {name for names in PROVEN_BY.values() for name in names.split()}
    assert named == set(conformance.__all__)


@pytest.mark.parametrize("port", PROVEN_BY)
def test_every_method_of_a_port_is_tried(port: str) -> None:
    methods = {name for name in vars(ports()[port]) if not name.startswith("_")}
    tried = set[str]().union(*map(asked_for, PROVEN_BY[port].split()))
    assert sorted(methods - tried) == []


def test_the_search_can_fail() -> None:
    assert "claim_polls" not in asked_for("BlobPromises")
