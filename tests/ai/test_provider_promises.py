"""The providers at hand without a network keep the promises of their port."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from engine.ai.providers.offline import OfflineProvider
from engine.errors import AIBadRequest
from engine.ports.ai_providers import BatchProvider, TextRequest
from engine.testing import FakeAIProvider
from engine.testing.conformance import BatchProviderPromises, ProviderPromises
from engine.testing.conformance.ai_providers import request_of


class Offline:
    @pytest.fixture
    def provider(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BatchProvider:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        return OfflineProvider()

    @pytest.fixture
    def model(self) -> str:
        return "extractive"

    @pytest.fixture
    def refused(self) -> TextRequest:
        return request_of("unheard-of")


class Fake:
    @pytest.fixture
    def provider(self) -> BatchProvider:
        return FakeAIProvider({"forbidden": AIBadRequest("no")})

    @pytest.fixture
    def model(self) -> str:
        return "any"

    @pytest.fixture
    def refused(self) -> TextRequest:
        return request_of("any", "something forbidden")


class TestOffline(Offline, ProviderPromises):
    pass


class TestOfflineBatches(Offline, BatchProviderPromises):
    pass


class TestFake(Fake, ProviderPromises):
    pass


class TestFakeBatches(Fake, BatchProviderPromises):
    pass
