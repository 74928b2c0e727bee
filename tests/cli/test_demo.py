"""What the demonstration is made of."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from sample_workflows import WORKFLOWS
from wfconsole.demo import first_runs, prepare
from wfconsole.settings import Settings


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setenv("WFCONSOLE_SAMPLE_INBOX", "")


def source_with(tmp_path: Path, **texts: str) -> Path:
    source = tmp_path / "source"
    (source / "docs").mkdir(parents=True)
    for name, text in texts.items():
        (source / name.replace("__", "/").replace("_", ".")).write_text(text)
    return source


def test_documents_of_the_working_directory_are_copied(tmp_path: Path) -> None:
    source = source_with(
        tmp_path, README_md="words " * 100, docs__README_md="more " * 100, tiny_md="x", x_bin="y" * 999
    )
    demo = prepare(Settings(), source)
    assert [path.name for path in demo.documents] == ["README.md", "docs-README.md"]
    assert demo.documents[0].read_text() == "words " * 100
    assert demo.folder.stat().st_mode & 0o777 == 0o700


def test_without_documents_it_takes_its_own(tmp_path: Path) -> None:
    demo = prepare(Settings(), source_with(tmp_path))
    assert len(demo.documents) >= 5
    assert all(path.parent == demo.folder / "documents" for path in demo.documents)


def test_the_scratch_database_is_the_demos_alone(tmp_path: Path) -> None:
    demo = prepare(Settings(db="postgresql://h/prod", read_only=True, workflows=("mine",)), source_with(tmp_path))
    assert demo.settings.demo
    assert not demo.settings.read_only
    assert demo.settings.database_file == demo.folder / "demo.db"
    assert demo.settings.workflows == ("sample_workflows",)
    assert os.environ["WFCONSOLE_SAMPLE_INBOX"] == str(demo.inbox)
    assert not demo.inbox.exists()
    assert f"wfconsole --db sqlite:///{demo.folder / 'demo.db'}" in demo.farewell()


@pytest.mark.parametrize("delay_ms", [20, 2_500])
def test_the_first_runs_are_what_the_samples_take(tmp_path: Path, delay_ms: int) -> None:
    known = {workflow.id: workflow for workflow in WORKFLOWS}
    runs = first_runs(prepare(Settings(), source_with(tmp_path)), delay_ms=delay_ms)
    assert {run.workflow_id for run in runs} == set(known)
    for run in runs:
        known[run.workflow_id].validate_input(run.input)
        known[run.workflow_id].validate_config(run.config)
