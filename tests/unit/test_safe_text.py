"""Text from outside can't steer a terminal, and nothing of it is lost silently."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfconsole.safe_text import safe_lines, safe_text

ANYTHING = st.text(st.characters(exclude_categories=())) | st.text(
    st.sampled_from("\x00\x07\x1b\x7f\x9b\u200b\u202e\u2066\u2028\ud800\ufeff\n\t\r a[")
)


def steers(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(char) in {
        "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
    }  # fmt: skip


@given(ANYTHING)
def test_no_character_that_steers_a_terminal_comes_through(text: str) -> None:
    assert not any(steers(char) for char in safe_text(text))
    assert not any(steers(char) for char in safe_text(text, multiline=True) if char not in "\n\t")
    for line in safe_lines(text):
        assert not any(steers(char) for char in line)


@given(ANYTHING, st.booleans(), st.none() | st.integers(0, 30))
def test_it_changes_its_own_output_no_more(text: str, multiline: bool, limit: int | None) -> None:
    once = safe_text(text, multiline=multiline, limit=limit)
    assert safe_text(once, multiline=multiline, limit=limit) == once


@given(ANYTHING, st.integers(0, 30))
def test_the_limit_holds_and_a_cut_shows(text: str, limit: int) -> None:
    whole, cut = safe_text(text), safe_text(text, limit=limit)
    assert len(cut) <= limit
    assert cut == whole if len(whole) <= limit else cut == (whole[: limit - 1] + "…" if limit else "")


@given(ANYTHING)
def test_lines_are_as_many_as_newlines_say(text: str) -> None:
    assert len(safe_lines(text)) == text.count("\n") + 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", r"\x1b]52;c;aGk=\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("zero\u200bwidth\ufeff\u2060", r"zero\u200bwidth\ufeff\u2060"),
        ("\x00\x7f\ud800", r"\x00\x7f\ud800"),
        ("a\nb\tc\r\u2028", r"a\nb\tc\r\u2028"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("[/b] naïve 漢字 ✓ é", "[/b] naïve 漢字 ✓ é"),
    ],
)
def test_escapes_are_readable(text: str, shown: str) -> None:
    assert safe_text(text) == shown


def test_blocks_keep_newlines_and_tabs() -> None:
    assert safe_text("a\n\tb\r", multiline=True) == "a\n\tb\\r"
    assert safe_lines("a\tb\nc") == ["a   b", "c"]
    assert safe_lines("") == [""]


def test_any_object_can_be_shown() -> None:
    assert safe_text(None) == "None"
    assert safe_text(ValueError("a\x1b")) == r"a\x1b"


def test_a_huge_text_is_cut_before_it_is_looked_at() -> None:
    assert safe_text("\x1b" * 50_000_000, limit=10) == r"\x1b\x1b\…"


@pytest.mark.parametrize("leaning", ["\u0301", "\U0001da00", "\u1160"])
def test_a_mark_that_would_lean_on_our_own_glyph_is_escaped(leaning: str) -> None:
    shown = safe_text(f"{leaning}tail")
    assert shown.isascii()
    assert shown.endswith("tail")
    assert safe_text(f"e{leaning}") == f"e{leaning}"
