"""What can be said of a text without any model: its telling words, its best sentences, how hard it reads.

Pure functions from text to figures; a text of 50,000 characters takes some 20 ms.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from sample_workflows.stopwords import STOPWORDS

WORDS_PER_MINUTE = 200
LONGEST_SENTENCE = 400

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]?\s+(?=[\"'“‘(\[]?[^\W_a-z])")
_WIDE_SENTENCE_END = re.compile(r"(?<=[。！？])")
_ENDED = re.compile(r"[.!?…。！？][\"'”’)\]]?$")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|etc|approx|Mr|Mrs|Ms|Dr|Prof|St|No|Fig|[A-Z])\.)$")
_VOWELS = re.compile(r"[aeiouyáàâäéèêëíìîïóòôöúùûü]+")


@dataclass(frozen=True, slots=True)
class Term:
    """A telling word, or two that often stand together, and how often it occurs."""

    text: str
    count: int
    score: float


@dataclass(frozen=True, slots=True)
class Figures:
    """How much there is to read and how hard; `flesch` (100 easy, 0 hard) is None where there is no word."""

    words: int
    sentences: int
    syllables: int
    flesch: float | None
    minutes: float


def words_of(text: str) -> list[str]:
    """The words in the order they stand, as they are written."""
    return _WORD.findall(text)


def sentences_of(text: str) -> list[str]:
    """The sentences in the order they stand; a blank line always ends one."""
    return [
        sentence for paragraph in re.split(r"\n\s*\n", text) for sentence in _sentences(" ".join(paragraph.split()))
    ]


def key_terms(text: str, top: int) -> list[Term]:
    """At most `top` terms, the most telling first; every one stands in the text (here in lower case)."""
    singles: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    for sentence in sentences_of(text):
        words = [word.lower().replace("’", "'") for word in words_of(sentence)]
        singles.update(word for word in words if _tells(word))
        pairs.update(f"{a} {b}" for a, b in _neighbours(sentence) if _tells(a) and _tells(b))
    total = sum(singles.values()) or 1
    repeated = {pair: count for pair, count in pairs.items() if count > 1 and len(set(pair.split())) == 2}
    terms = [Term(pair, count, round(1.6 * count / total, 5)) for pair, count in repeated.items()]
    inside: Counter[str] = Counter()
    for pair, count in repeated.items():
        for word in pair.split():
            inside[word] = max(inside[word], count)
    for word, count in singles.items():
        # A word that hardly occurs outside its pair adds nothing to it.
        if count > inside[word] * 1.5:
            terms.append(Term(word, count, round(count / total, 5)))
    terms.sort(key=lambda term: (-term.score, term.text))
    return terms[:top]


def best_sentences(text: str, count: int) -> list[str]:
    """At most `count` sentences that speak most of what the text speaks of, in the order they stand."""
    sentences = sentences_of(text)
    whole = [at for at, sentence in enumerate(sentences) if _is_whole(sentence)]
    chosen = whole or list(range(len(sentences)))
    frequency = Counter(word for sentence in sentences for word in _telling(sentence))
    highest = max(frequency.values(), default=1)
    scores = {at: _score(sentences[at], at, len(sentences), frequency, highest) for at in chosen}
    best: list[int] = []
    seen: set[str] = set()
    for at in sorted(chosen, key=lambda at: (-scores[at], at)):
        if len(best) == count:
            break
        if sentences[at].casefold() not in seen:
            seen.add(sentences[at].casefold())
            best.append(at)
    return [_shortened(sentences[at]) for at in sorted(best)]


def figures(text: str) -> Figures:
    """Words, sentences, syllables, the Flesch reading ease and the minutes it takes to read."""
    words = words_of(text)
    if not words:
        return Figures(0, 0, 0, None, 0.0)
    sentences = sum(1 for sentence in sentences_of(text) if words_of(sentence))
    syllables = sum(map(syllables_of, words))
    flesch = 206.835 - 1.015 * len(words) / sentences - 84.6 * syllables / len(words)
    minutes = max(0.1, round(len(words) / WORDS_PER_MINUTE, 1))
    return Figures(len(words), sentences, syllables, round(flesch, 1), minutes)


def syllables_of(word: str) -> int:
    """A guess by the groups of vowels, good enough for a score; never less than one."""
    lower = word.lower()
    groups = len(_VOWELS.findall(lower))
    if lower.endswith("e") and not lower.endswith(("le", "ee")) and groups > 1:
        groups -= 1
    return max(1, groups)


def _sentences(paragraph: str) -> Iterator[str]:
    held = ""
    for piece in _SENTENCE_END.split(paragraph):
        held = f"{held} {piece}".strip()
        if _ABBREVIATION.search(held[-10:]):
            continue
        yield from (part for part in map(str.strip, _WIDE_SENTENCE_END.split(held)) if part)
        held = ""
    if held:
        yield held


def _is_whole(sentence: str) -> bool:
    """Headings, table rows and commands end in no full stop, and would tell little by themselves."""
    return bool(_ENDED.search(sentence)) and 5 <= len(words_of(sentence)) <= 60


def _tells(word: str) -> bool:
    return len(word) > 2 and word not in STOPWORDS


def _telling(sentence: str) -> list[str]:
    return [word for word in (found.lower() for found in words_of(sentence)) if _tells(word)]


def _neighbours(sentence: str) -> Iterator[tuple[str, str]]:
    """Words with nothing but a blank between them: a comma parts what belongs apart."""
    for left, right in pairwise(_WORD.finditer(sentence)):
        if sentence[left.end() : right.start()] == " ":
            yield left.group().lower().replace("’", "'"), right.group().lower().replace("’", "'")


def _score(sentence: str, at: int, of: int, frequency: Counter[str], highest: int) -> float:
    telling = _telling(sentence)
    if not telling:
        return 0.0
    weight = sum(frequency[word] for word in set(telling)) / highest / math.pow(len(telling), 0.6)
    early = 1.0 - at / of
    return weight + 0.15 * early


def _shortened(sentence: str) -> str:
    if len(sentence) <= LONGEST_SENTENCE:
        return sentence
    return sentence[:LONGEST_SENTENCE].rsplit(" ", 1)[0] + " …"


def listed(terms: Iterable[Term]) -> str:
    """The terms as one line for people."""
    return ", ".join(term.text for term in terms)
