"""Every behaviour and every key and rule of the console has its test, and the pages that say so are fresh."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest
from own_files import ROOT


def writer_of(name: str) -> ModuleType:
    """The program that writes this page of `docs`."""
    spec = importlib.util.spec_from_file_location(f"writer_of_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_number_has_a_test() -> None:
    behaviours = writer_of("behaviours")
    assert sorted(set(behaviours.WANTED) ^ behaviours.proofs().keys()) == []


@pytest.mark.parametrize("name", ["behaviours", "console"])
def test_the_page_is_fresh(name: str) -> None:
    writer = writer_of(name)
    assert writer.PAGE.read_text() == writer.page(), "run `make behaviours`"


def test_a_rule_or_key_without_its_test_is_an_error() -> None:
    console = writer_of("console")
    with pytest.raises(LookupError, match="test_key_nobody_presses"):
        console.named(console.tests(), "key_nobody_presses")
