"""Registries, and loading workflows and plugins by module name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import (
    DefinitionError,
    NoConfig,
    NoInput,
    StageContext,
    Workflow,
    WorkflowBuilder,
    define_plugin,
    stage,
)
from engine.definition.registry import WorkflowRegistry, load_workflows

FLOW = """
from engine import NoConfig, NoInput, StageContext, WorkflowBuilder, define_plugin, stage

@stage(id="only")
def only(ctx: StageContext[NoInput, NoConfig]) -> int:
    return 1

builder = WorkflowBuilder("{id}", "Flow", input=NoInput).pipe(only)
flow = builder.build()
HELD = [builder.build() if False else WorkflowBuilder("{id}-two", "Two", input=NoInput).pipe(only).build()]
notify = define_plugin("{id}-notify", "Notify", on=["workflow:failed"], handle=print)
number = 3
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory of its own; what is imported from it is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def ids(found: Any) -> list[str]:
    return [one.id for one in found]


def a_workflow(workflow_id: str = "flow") -> Workflow:
    @stage(id="only")
    def only(ctx: StageContext[NoInput, NoConfig]) -> int:
        return 1

    return WorkflowBuilder(workflow_id, "Flow", input=NoInput).pipe(only).build()


def test_a_registry_by_id() -> None:
    one, two = a_workflow("b"), a_workflow("a")
    registry = WorkflowRegistry([one, two, one])
    assert registry.get("b") is one
    assert registry.get("c") is None
    assert registry.ids() == ["a", "b"]
    assert list(registry) == [one, two]
    assert len(registry) == 2
    with pytest.raises(DefinitionError, match="two different workflows have the id 'flow'"):
        WorkflowRegistry([a_workflow(), a_workflow()])


def test_a_module_of_the_working_directory(here: Path) -> None:
    (here / "flows_one.py").write_text(FLOW.format(id="one"))
    loaded = load_workflows(["flows_one"])
    assert ids(loaded.workflows) == ["one", "one-two"]
    assert ids(loaded.plugins) == ["one-notify"]
    assert sys.path.count(str(here)) == 1
    again = load_workflows(["flows_one", "flows_one:flow"])
    assert again == loaded
    assert sys.path.count(str(here)) == 1


def test_one_attribute_or_an_iterable_of_a_package(here: Path) -> None:
    (here / "pack").mkdir()
    (here / "pack" / "__init__.py").write_text("")
    (here / "pack" / "flows.py").write_text(FLOW.format(id="pack") + "ALL = iter([flow, notify])\n")
    loaded = load_workflows(["pack.flows:ALL"])
    assert (ids(loaded.workflows), ids(loaded.plugins)) == (["pack"], ["pack-notify"])
    assert ids(load_workflows(["pack.flows:notify"]).plugins) == ["pack-notify"]


@pytest.mark.parametrize(
    ("source", "spec", "text"),
    [
        ("", "bad:flow", "module 'bad' has no 'flow'"),
        ("number = 3", "bad", "holds no workflow and no plugin"),
        ("number = 3", "bad:number", "int is neither a workflow nor a plugin"),
        ("words = ['x']", "bad:words", "str is neither a workflow nor a plugin"),
        (FLOW.format(id="x"), "bad:builder", "call its build()"),
        ("raise ValueError('first\\nsecond')", "bad", "ValueError: first$"),
        ("import sys; sys.exit(3)", "bad", "SystemExit: 3$"),
        ("def (", "bad", "SyntaxError"),
        ("import nowhere_at_all", "bad", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        (
            "from engine import stage\n@stage(id='x')\ndef f(ctx): ...",
            "bad",
            "DefinitionError: stage 'x': no ",
        ),
        ("", "nowhere_at_all:x", "ModuleNotFoundError"),
        ("", "bad.py", "bad"),
        ("", "./bad.py", "write it as package.module"),
        ("", "", "write it as package.module"),
        ("", ".bad", "write it as package.module"),
    ],
)
def test_what_cannot_be_loaded_is_one_clear_line(here: Path, source: str, spec: str, text: str) -> None:
    (here / "bad.py").write_text(source)
    with pytest.raises(DefinitionError, match=text) as caught:
        load_workflows([spec])
    assert repr(spec) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_different_workflows_of_one_id(here: Path) -> None:
    (here / "left.py").write_text(FLOW.format(id="same"))
    (here / "right.py").write_text(FLOW.format(id="same"))
    with pytest.raises(DefinitionError, match="two different workflows have the id 'same'"):
        load_workflows(["left", "right"])


def test_without_specs_the_samples_and_no_change_of_the_path(here: Path) -> None:
    (here / "sample_workflows").mkdir()
    (here / "sample_workflows" / "__init__.py").write_text("")
    (here / "sample_workflows" / "demo.py").write_text(FLOW.format(id="demo"))
    had = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("sample_workflows")}
    sys.path.insert(0, str(here))
    path = list(sys.path)
    try:
        scanned = load_workflows([])
        (here / "sample_workflows" / "__init__.py").write_text(
            "from sample_workflows.demo import flow, notify\nWORKFLOWS = [flow]\nPLUGINS = [notify]\n"
        )
        for name in [name for name in sys.modules if name.startswith("sample_workflows")]:
            del sys.modules[name]
        exported = load_workflows([])
    finally:
        for name in [name for name in sys.modules if name.startswith("sample_workflows")]:
            del sys.modules[name]
        sys.modules.update(had)
    assert ids(scanned.workflows) == ["demo", "demo-two"]
    assert (ids(exported.workflows), ids(exported.plugins)) == (["demo"], ["demo-notify"])
    assert sys.path == path


def test_plugins_ask_for_known_event_types() -> None:
    plugin = define_plugin("mail", "Mail", on=["workflow:failed", "workflow:completed"], handle=print)
    assert plugin.on == {"workflow:failed", "workflow:completed"}
    for on, text in [
        (["workflow:fail"], r"unknown event type 'workflow:fail'; did you mean 'workflow:failed'"),
        ("workflow:failed", "on is a list"),
        ([], "asks for no event type"),
    ]:
        with pytest.raises(DefinitionError, match=text):
            define_plugin("mail", "Mail", on=on, handle=print)
    with pytest.raises(DefinitionError, match="max_retries is at least 1, not 0"):
        define_plugin("mail", "Mail", on=["workflow:failed"], handle=print, max_retries=0)
    with pytest.raises(DefinitionError, match="can't be called"):
        define_plugin("mail", "Mail", on=["workflow:failed"], handle=None)
