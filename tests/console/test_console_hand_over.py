"""Taking things out of the console: the clipboard, files, commands; honest about what was done."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from console_pilot import dialog_open, opened, rows_shown, screen_text, toasts, until
from console_samples import run_id_of
from fake_gateway import FakeGateway

from wfconsole.tui import clipboard
from wfconsole.tui.piping import pipe_text
from wfconsole.tui.screens.choose import Choose


@pytest.fixture(autouse=True)
def remote(monkeypatch: pytest.MonkeyPatch) -> None:
    """As over SSH: the clipboard of the machine that runs the tests is left alone."""
    monkeypatch.setenv("SSH_CONNECTION", "1 2 3 4")


async def test_key_y_copies_the_id_and_says_that_nobody_confirmed_it() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("y")
        await until(pilot, lambda: toasts(app), "the note")
        assert toasts(app)[-1] == f"sent to the terminal's clipboard (not confirmed): {run_id_of(0)}"
        assert app.clipboard == run_id_of(0)


async def test_key_Y_copies_json_error_link_and_the_twin() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("j", "Y")
        await until(pilot, lambda: isinstance(app.screen, Choose) and "report" in screen_text(app), "the menu")
        await pilot.press("j")
        await until(pilot, lambda: app.clipboard.startswith("{"), "the JSON")
        whole = json.loads(app.clipboard)
        assert (whole["id"], whole["status"]) == (run_id_of(1), "FAILED")
        assert whole["created_at"].endswith("Z")
        await pilot.press("Y", "e")
        await until(pilot, lambda: app.clipboard.startswith("AIRateLimited"), "the error")
        await pilot.press("Y", "l")
        await until(pilot, lambda: "--run" in app.clipboard, "the link")
        assert shlex.split(app.clipboard) == ["wfconsole", "--db", "sqlite:///demo.db", "--run", run_id_of(1)]
        await pilot.press("Y", "t")
        await until(pilot, lambda: "nothing was done from here yet" in toasts(app)[-1], "the refusal")
        await pilot.press("F")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: app.last_twin, "the twin")
        await pilot.press("Y", "t")
        await until(pilot, lambda: app.clipboard == f"wfconsole retry {run_id_of(1)}", "the twin, copied")


async def test_key_Y_copies_all_marked_ids() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("space", "space", "Y", "i")
        await until(pilot, lambda: app.clipboard, "the ids")
        assert set(app.clipboard.split("\n")) == {run_id_of(0), run_id_of(1)}


async def test_key_e_writes_a_new_file_and_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wfconsole-runs.json").write_text("mine")
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("space", "e")
        await until(pilot, lambda: toasts(app), "the note")
        assert "wfconsole-runs-2.json" in toasts(app)[-1]
    assert (tmp_path / "wfconsole-runs.json").read_text() == "mine"
    written = json.loads((tmp_path / "wfconsole-runs-2.json").read_text())
    assert [run["id"] for run in written["items"]] == [run_id_of(0)]


async def test_colon_w_writes_where_it_is_told_but_never_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        app.enter_line("w mine")
        await until(pilot, lambda: toasts(app), "the note")
        assert len(json.loads((tmp_path / "mine.json").read_text())["items"]) == 12
        app.enter_line("w mine")
        await until(pilot, lambda: "is there already" in toasts(app)[-1], "the refusal")


async def test_key_pipe_says_where_it_cannot_be_done() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("|")
        await until(pilot, lambda: toasts(app), "the reason")
        assert "can't be handed over" in toasts(app)[-1]


def test_a_pipe_gives_the_command_the_text_and_its_exit_code_back(tmp_path: Path) -> None:
    target = tmp_path / "it"
    assert pipe_text(f"cat > {shlex.quote(str(target))}", "one ✗\n") == 0
    assert target.read_text() == "one ✗\n"
    assert pipe_text("exit 3", "") == 3


def test_the_native_tool_is_taken_where_somebody_sits_and_never_over_ssh() -> None:
    def which(name: str) -> str | None:
        return f"/bin/{name}" if name in ("wl-copy", "xclip") else None

    assert clipboard.native_tool({"WAYLAND_DISPLAY": "w"}, which) == ("/bin/wl-copy",)
    assert clipboard.native_tool({"DISPLAY": ":0"}, which) == ("/bin/xclip", "-selection", "clipboard")
    assert clipboard.native_tool({"DISPLAY": ":0", "SSH_TTY": "/dev/pts/1"}, which) is None
    assert clipboard.native_tool({}, which) is None


def test_a_tool_that_fails_is_no_copy() -> None:
    assert clipboard.copy_natively("x", ("/bin/false",)) is False
    assert clipboard.copy_natively("x", ("/nowhere/at-all",)) is False


def test_what_is_too_much_for_the_terminal_is_not_called_copied() -> None:
    sent: list[str] = []
    copied = clipboard.send("x" * 80_000, sent.append)
    assert not copied.done
    assert sent == []
    assert "e" in copied.said
