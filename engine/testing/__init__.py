"""Helpers for tests of your own workflows, and the store promises as test classes (`engine.testing.conformance`)."""

from engine.ai.providers.fake import FakeAIProvider
from engine.blobs.memory import MemoryBlobStore
from engine.testing.fakes import CollectingAICallLog, CollectingEventSink, FakeClock, NoopScheduler
from engine.testing.make_kernel import make_kernel

__all__ = [
    "CollectingAICallLog",
    "CollectingEventSink",
    "FakeAIProvider",
    "FakeClock",
    "MemoryBlobStore",
    "NoopScheduler",
    "make_kernel",
]
