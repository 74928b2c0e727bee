"""JSON and settings given on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfconsole.cli.exits import UsageError
from wfconsole.cli.given import read_config, read_json


def test_json_from_the_argument_or_a_file(tmp_path: Path) -> None:
    assert read_json('{"url": "a.md"}', "--input") == {"url": "a.md"}
    file = tmp_path / "in.json"
    file.write_bytes(b"\xef\xbb\xbf[1, 2]")
    assert read_json(f"@{file}", "--input") == [1, 2]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{url: 1}", "line 1 column 2"),
        ("input.json", "a file is given as @FILE"),
        ("NaN", "NaN is no JSON"),
        ("@/nowhere/at/all.json", "can't read /nowhere/at/all.json: No such file"),
        ("[" * 100_000, "deeper"),
    ],
)
def test_what_is_no_json_is_said(given: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"^--input") as caught:
        read_json(given, "--input")
    assert said in str(caught.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_json(f"@{file}", "--input")


def test_config_by_stage_and_field() -> None:
    given = ["a.top=12", "a.name=plain text", 'b.c.list=["x"]', "a.flag=true", "a.text=x=y"]
    assert read_config(given) == {
        "a": {"top": 12, "name": "plain text", "flag": True, "text": "x=y"},
        "b.c": {"list": ["x"]},
    }


@pytest.mark.parametrize("wrong", ["top=12", "a.=1", ".b=1", "a.b", ""])
def test_config_that_names_no_field(wrong: str) -> None:
    with pytest.raises(UsageError, match=r"STAGE\.FIELD=VALUE"):
        read_config([wrong])
