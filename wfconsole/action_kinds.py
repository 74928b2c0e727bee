"""What an action is: a key with one meaning, and for those that write a question, a command and a twin."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from engine.commands import Command

S = TypeVar("S")

LISTS = frozenset({"runs", "costs", "dlq", "workers", "workflows"})
RUN_PLACES = frozenset({"runs", "run"})
EVERYWHERE = LISTS | {"run", "logs"}


@dataclass(frozen=True, slots=True)
class Action:
    """A key with one meaning. `places` says where it works, `footer` whether the footer offers it there."""

    id: str
    key: str
    label: str
    help: str
    places: frozenset[str]
    footer: bool = True
    writes: bool = False

    @property
    def method(self) -> str:
        """The name of the Textual action that carries it out."""
        return self.id.replace(".", "_").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the operator chose in the dialog, and the key that makes a second sending harmless."""

    key: str
    stage_id: str = ""
    reason: str = ""
    config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Stage id to the fields that change."""
    reuse_ai: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What a dialog asks: a title, its subject and the consequences in lines, the words of the answers."""

    title: str
    lines: Sequence[str]
    yes: str
    no: str = "No"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Action, Generic[S]):
    """An action that writes: `valid_for` says why not (None: allowed); the rest is asked only when it is."""

    valid_for: Callable[[S], str | None]
    question: Callable[[S, Answer], Question]
    command: Callable[[S, Answer], Command[Any]]
    twin: Callable[[S, Answer], str]
    done: str


def cli(*words: str) -> str:
    """A command line, quoted so that it can be pasted."""
    return shlex.join(("wfconsole", *words))
