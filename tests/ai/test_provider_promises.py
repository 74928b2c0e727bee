"""Every provider we ship keeps what the port promises: those of the wire against a server nobody here wrote."""

from __future__ import annotations

import pytest
from llmock.pytest_plugin import LLMock
from llmock.routers import batch as mock_batches

from engine.ai.directory import Providers
from engine.ai.providers.offline import OfflineProvider
from engine.ports.ai_providers import AIProvider
from engine.testing import FakeAIProvider
from engine.testing.conformance import BatchProviderPromises, ProviderPromises


@pytest.fixture
def server(llmock: LLMock, monkeypatch: pytest.MonkeyPatch) -> LLMock:
    monkeypatch.setenv("GEMINI_BASE_URL", llmock.base_url("gemini"))
    monkeypatch.setattr(mock_batches, "_BATCH_DELAY", 0.0)
    return llmock


class TestFake(BatchProviderPromises):
    @pytest.fixture
    def provider(self) -> AIProvider:
        return FakeAIProvider()


class TestOffline(ProviderPromises):
    model = embedding_model = "extractive"

    @pytest.fixture
    def provider(self) -> AIProvider:
        return OfflineProvider()


# The server leaves the file that was uploaded to it for the collector to close.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestOpenAI(BatchProviderPromises):
    model, embedding_model = "gpt-4o-mini", "text-embedding-3-small"

    @pytest.fixture
    def provider(self, server: LLMock) -> AIProvider:
        return Providers().find(f"openai/{self.model}").adapter


class TestAnthropic(BatchProviderPromises):
    # The server does not know Anthropic's newer way to ask for an object.
    model, embedding_model = "claude-3-5-haiku", None

    @pytest.fixture
    def provider(self, server: LLMock) -> AIProvider:
        return Providers().find(f"anthropic/{self.model}").adapter


class TestGoogle(ProviderPromises):
    # The server knows none of Google's embeddings, and its batches by another form than Google's own.
    model, embedding_model = "gemini-2.5-flash", None

    @pytest.fixture
    def provider(self, server: LLMock) -> AIProvider:
        return Providers().find(f"google/{self.model}").adapter
