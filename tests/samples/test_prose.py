"""Keywords, summary and readability as plain functions."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample_workflows import prose

TEXT = """The lighthouse keeper wrote the log

The lighthouse keeper wrote in the storm log every night.
Dr. Smith, e.g. the doctor, read the storm log in the morning.
A gull sat on the rail. The storm log survived the great storm because the lighthouse keeper had
wrapped it in oilcloth!
"""


def test_keywords_are_words_and_pairs_of_the_text() -> None:
    terms = prose.key_terms(TEXT, 6)
    assert [term.text for term in terms[:2]] == ["lighthouse keeper", "storm log"]
    assert terms[0].count == 3
    assert "the" not in {term.text for term in terms}
    assert all(term.text in TEXT.lower() for term in terms)


def test_a_comma_parts_a_pair() -> None:
    assert "red green" not in {term.text for term in prose.key_terms("red, green. Red, green. red, green", 10)}


def test_sentences_know_common_abbreviations_and_blank_lines() -> None:
    assert prose.sentences_of(TEXT) == [
        "The lighthouse keeper wrote the log",
        "The lighthouse keeper wrote in the storm log every night.",
        "Dr. Smith, e.g. the doctor, read the storm log in the morning.",
        "A gull sat on the rail.",
        "The storm log survived the great storm because the lighthouse keeper had wrapped it in oilcloth!",
    ]


def test_the_summary_is_made_of_telling_sentences_in_their_order() -> None:
    best = prose.best_sentences(TEXT, 2)
    assert len(best) == 2
    assert "A gull sat on the rail." not in best
    everything = prose.sentences_of(TEXT)
    assert [everything.index(sentence) for sentence in best] == sorted(everything.index(sentence) for sentence in best)


def test_a_summary_says_nothing_twice() -> None:
    twice = "The same heavy sentence stands here twice. " * 2 + "Another sentence about heavy things follows it."
    assert len(prose.best_sentences(twice, 3)) == 2


def test_an_endless_sentence_is_shortened() -> None:
    (only,) = prose.best_sentences("word " * 5000, 3)
    assert len(only) <= prose.LONGEST_SENTENCE + 2


def test_readability_tells_easy_from_hard() -> None:
    easy = prose.figures("The cat sat. The dog ran. We ate an egg.")
    hard = prose.figures("Institutional considerations necessitate comprehensive transformation of structures.")
    assert (easy.words, easy.sentences) == (10, 3)
    assert easy.flesch is not None
    assert hard.flesch is not None
    assert easy.flesch > 90 > 0 > hard.flesch


@pytest.mark.parametrize(
    ("word", "count"),
    [("cat", 1), ("table", 2), ("made", 1), ("reading", 2), ("the", 1), ("rhythm", 1), ("banana", 3)],
)
def test_syllables(word: str, count: int) -> None:
    assert prose.syllables_of(word) == count


@pytest.mark.parametrize("text", ["", "  \n\n ", "12 34", "!?.", "…"])
def test_nothing_to_read(text: str) -> None:
    assert prose.key_terms(text, 5) == []
    assert prose.figures(text) == prose.Figures(0, 0, 0, None, 0.0)


@given(st.text(max_size=400), st.integers(1, 5))
def test_any_text_is_measured_without_a_word(text: str, count: int) -> None:
    assert len(prose.key_terms(text, count)) <= count
    assert len(prose.best_sentences(text, count)) <= count
    found = prose.figures(text)
    assert found.syllables >= found.words >= 0
    assert (found.flesch is None) == (found.words == 0)


@pytest.mark.parametrize(
    "text", ["Mr. " * 12_000, "a" * 50_000, "A. b " * 10_000, "x' " * 15_000, "。" * 50_000], ids=range(5)
)
def test_hostile_prose_takes_no_longer_than_any_other(text: str) -> None:
    started = process_time()
    prose.key_terms(text, 12)
    prose.best_sentences(text, 3)
    prose.figures(text)
    assert process_time() - started < 3
