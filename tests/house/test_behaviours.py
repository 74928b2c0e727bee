"""Every behaviour has its test, and the page that says so is fresh."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest
from own_files import ROOT


@pytest.fixture(scope="module")
def behaviours() -> ModuleType:
    spec = importlib.util.spec_from_file_location("behaviours", ROOT / "docs" / "behaviours.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_number_has_a_test(behaviours: ModuleType) -> None:
    assert sorted(set(behaviours.WANTED) ^ behaviours.proofs().keys()) == []


def test_the_page_is_fresh(behaviours: ModuleType) -> None:
    assert behaviours.PAGE.read_text() == behaviours.page(), "run `make behaviours`"
