"""Events over HTTP: CloudEvents 1.0 as JSON, signed as Standard Webhooks say.

What may be reached is decided where the connection is made, on the address itself: a name that answers differently
the second time it is asked leads nowhere new.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from engine.errors import EngineError
from engine.events import Event

if TYPE_CHECKING:
    import httpx

TYPE_PREFIX = "dev.wfconsole."
MOST_ANSWER = 500
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CGNAT = ipaddress.ip_network("100.64.0.0/10")


class WebhookFailed(EngineError):
    """The receiver did not take the event."""


class WebhookSink:
    """`engine.ports.sink.EventSink` that POSTs each event to `url`.

    A 2xx answer takes it; anything else, a redirect included, is a failed delivery. `secrets` sign it
    (`webhook-signature`, one signature each, so that a secret can be changed without a gap): `whsec_` and base64, or
    plain text. `on`: event types to send, all others count as taken. Addresses that are not public are refused unless
    `allow_private`. Raises `EngineError` for a URL that is none.
    """

    def __init__(
        self,
        id: str,
        url: str,
        *,
        secrets: Sequence[str] = (),
        on: Iterable[str] | None = None,
        timeout: float = 10.0,
        max_retries: int = 3,
        allow_private: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise EngineError(f"sink {id!r}: a webhook needs an address such as https://host/path, without a user")
        self.id = id
        self.max_retries = max_retries
        self._url = url
        self._keys = [_key(secret) for secret in secrets]
        self._on = None if on is None else frozenset(on)
        self._timeout = timeout
        self._allow_private = allow_private
        self._headers = dict(headers or {})
        self._client: httpx.AsyncClient | None = None

    @property
    def target(self) -> str:
        """The address without its query, which may hold a key."""
        parts = urlsplit(self._url)
        return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))

    def __repr__(self) -> str:
        return f"<WebhookSink {self.id} {self.target}>"

    async def emit(self, event: Event) -> None:
        import httpx

        if self._on is not None and event.type not in self._on:
            return
        body = json.dumps(cloud_event(event), ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            **self._headers,
            "content-type": "application/cloudevents+json; charset=utf-8",
            "user-agent": "wfconsole",
            **self._signed(event.id, body),
        }
        try:
            answer = await self._http().post(self._url, content=body, headers=headers)
        except httpx.TimeoutException as error:
            raise WebhookFailed(f"{self.target} did not answer in {self._timeout:g} s") from error
        except httpx.HTTPError as error:
            raise WebhookFailed(f"{self.target}: {type(error).__name__}: {error}") from error
        if not answer.is_success:
            raise WebhookFailed(
                f"{self.target} answered {answer.status_code}: {answer.text[:MOST_ANSWER]}".rstrip(": ")
            )

    def _signed(self, event_id: str, body: bytes) -> dict[str, str]:
        moment = str(int(time.time()))
        headers = {"webhook-id": event_id, "webhook-timestamp": moment}
        if self._keys:
            signed = f"{event_id}.{moment}.".encode() + body
            headers["webhook-signature"] = " ".join(f"v1,{signature(key, signed)}" for key in self._keys)
        return headers

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = _client(self._timeout, allow_private=self._allow_private)
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def cloud_event(event: Event) -> dict[str, Any]:
    """A CloudEvent 1.0 in its structured JSON form; `data` is the event with all its fields."""
    data = event.model_dump(mode="json")
    if not event.extra:
        data.pop("extra", None)
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/wfconsole/runs/{event.run_id}",
        "type": TYPE_PREFIX + event.type.replace(":", "."),
        "subject": event.run_id,
        "time": event.occurred_at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "sequence": f"{event.sequence:010d}",
        "data": data,
    }


def signature(key: bytes, signed: bytes) -> str:
    """Base64 of the HMAC-SHA256 of `id.timestamp.body`."""
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError as error:
        raise EngineError("a secret that begins with whsec_ goes on in base64") from error


def is_public(address: str) -> bool:
    """Whether an IP address may be reached without leave: not loopback, private, link-local, shared or reserved."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    elif found in _CGNAT:
        return False
    return found.is_global and not found.is_multicast


def _client(timeout: float, *, allow_private: bool) -> httpx.AsyncClient:
    """A client that connects to checked addresses only, follows nothing and asks no proxy."""
    import httpcore
    import httpx

    class CheckedBackend(httpcore.AnyIOBackend):
        async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
            if allow_private:
                return await super().connect_tcp(host, port, *args, **kwargs)
            addresses = await _addresses(host, port)
            refused = [one for one in addresses if not is_public(one)]
            if refused:
                raise httpcore.ConnectError(f"{host} is {refused[0]}, which is not public: see allow_private")
            # The checked address itself, not the name once more.
            return await super().connect_tcp(addresses[0], port, *args, **kwargs)

    transport = httpx.AsyncHTTPTransport(trust_env=False, retries=0)
    transport._pool._network_backend = CheckedBackend()  # httpx hands its pool no backend by itself
    return httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)


async def _addresses(host: str, port: int) -> list[str]:
    import asyncio

    import httpcore

    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(f"{host}: {error.strerror or error}") from error
    return list(dict.fromkeys(str(one[4][0]) for one in found))
