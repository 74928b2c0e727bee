"""The stages of document-processor, one after the other, as an engine would run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from workbench import Workbench

from engine import NonRetryable
from sample_workflows.document_processor import document_processor, extract_text

Serve = Callable[[Mapping[str, tuple[int, Mapping[str, str], bytes]]], str]

README = """# Tide tables

The tide table tells sailors when the harbour floods. Every harbour has its own tide table.

```sh
install --now
```

Sailors read the tide table before they leave the harbour, because a flooded harbour is dangerous for sailors.
"""


async def processed(
    workbench: Workbench, url: str, config: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    settings = config or {}
    given: Any = {"url": url}
    for group in document_processor.groups:
        outputs = {one.id: await workbench.run(one, given, settings.get(one.id)) for one in group}
        given = outputs if len(outputs) > 1 else next(iter(outputs.values()))
    assert isinstance(given, dict)
    return given


async def test_the_report_names_the_real_words_of_the_file(
    workbench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text(README)
    monkeypatch.chdir(tmp_path)
    report = await processed(workbench, "README.md")
    assert report["title"] == "Tide tables"
    assert report["keywords"][0] == "tide table"
    assert {"harbour", "sailors"} <= set(report["keywords"])
    assert all(keyword in README.lower() for keyword in report["keywords"])
    assert "install" not in report["markdown"]
    assert "Every harbour has its own tide table." in report["summary"]
    assert report["words"] == report["readability"]["words"] == 36
    assert workbench.result.artifacts == {"report.md": report["markdown"].encode()}
    assert report["markdown"].startswith("# Tide tables\n\nSource: README.md\n")


async def test_every_stage_says_what_it_does_and_ends_at_full_progress(workbench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(README)
    await processed(workbench, str(tmp_path / "a.md"))
    stages = len(document_processor.stages)
    assert workbench.reporter.fractions.count(1.0) == stages
    assert len(workbench.reporter.lines) >= 2 * stages - 1
    assert set(workbench.reporter.levels) == {"INFO", "DEBUG"}


async def test_a_page_is_processed_like_a_file(workbench: Workbench, serve: Serve) -> None:
    page = b"<title>Harbour</title><script>evil()</script><p>The harbour master counts the harbour boats.</p>"
    at = serve({"/": (200, {"Content-Type": "text/html"}, page)})
    report = await processed(workbench, f"{at}/")
    assert (report["title"], report["source"]) == ("Harbour", f"{at}/")
    assert report["keywords"][0] == "harbour"
    assert "evil" not in report["markdown"]


@pytest.mark.parametrize("content", [b"", b"\n\n \n", b"--- 12 34 ---"])
async def test_a_document_without_words_is_reported_as_such(
    workbench: Workbench, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "empty.txt"
    file.write_bytes(content)
    report = await processed(workbench, str(file))
    assert (report["title"], report["words"], report["keywords"]) == ("empty.txt", 0, [])
    assert report["readability"]["flesch"] is None
    assert "not measurable" in report["markdown"]
    assert "WARN" in workbench.reporter.levels


async def test_a_long_text_is_cut_and_says_so(workbench: Workbench, tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_text("harbour " * 10_000)
    extracted = await workbench.run(extract_text, {"url": str(file)}, {"max_length": 100})
    assert (len(extracted["text"]), extracted["truncated"]) == (100, True)
    assert ("WARN", "the document is cut", {"kept": 100, "max_length": 100}) in workbench.reporter.lines


async def test_the_config_bounds_keywords_and_sentences(workbench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(README)
    config = {"keywords": {"top": 2}, "summary": {"sentences": 1}}
    report = await processed(workbench, str(tmp_path / "a.md"), config)
    assert len(report["keywords"]) == 2
    assert report["summary"].count(".") == 1


async def test_a_missing_document_fails_at_once_with_a_sentence(workbench: Workbench) -> None:
    with pytest.raises(NonRetryable, match=r"^no such file: /nowhere/at-all\.md$"):
        await processed(workbench, "/nowhere/at-all.md")


@pytest.mark.parametrize("given", [{}, {"url": ""}, {"url": "   "}, {"url": 7}, {"url": None}])
def test_an_unusable_input_names_its_field(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as raised:
        document_processor.input.validate(given)
    assert [problem["loc"] for problem in raised.value.errors()] == [("url",)]


async def test_a_delay_is_spent_in_steps_and_ended_by_a_cancel(workbench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(README)
    await workbench.run(extract_text, {"url": str(tmp_path / "a.md")}, {"delay_ms": 3})
    assert workbench.reporter.fractions == [0.6, 0.7, 1.0]
    workbench.reporter.cancelled = True
    # Ten minutes if nobody looked.
    await workbench.run(extract_text, {"url": str(tmp_path / "a.md")}, {"delay_ms": 600_000})
    assert workbench.reporter.fractions == [0.6, 0.7, 1.0, 0.7, 1.0]
