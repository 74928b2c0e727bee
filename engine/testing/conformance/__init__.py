"""The promises of the ports, as test classes: whoever writes an adapter proves it with them.

A subclass whose name begins with `Test` gives the fixture that the class asks for, an adapter on empty ground:

    class TestMyStore(StorePromises):
        @pytest.fixture
        async def store(self) -> AsyncIterator[Persistence]:
            yield MyStore(...)

They need pytest and pytest-asyncio (`asyncio_mode = "auto"`).
"""

from engine.testing.conformance.blobs import BlobPromises
from engine.testing.conformance.calls import CallPromises
from engine.testing.conformance.jobs import JobPromises
from engine.testing.conformance.outbox import OutboxPromises
from engine.testing.conformance.store import StorePromises
from engine.testing.conformance.watch import WatchPromises

__all__ = ["BlobPromises", "CallPromises", "JobPromises", "OutboxPromises", "StorePromises", "WatchPromises"]
