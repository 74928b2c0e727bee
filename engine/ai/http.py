"""The one module that speaks HTTP to providers: retries, limits, and failures told apart."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from engine.ai.endpoint import Endpoint
from engine.ai.pace import Pace, pace_of
from engine.ai.refusals import error_for, said_by, without_secrets
from engine.errors import AIBadRequest, AIBadResponse, AIError, AIRateLimited, AIUnavailable
from engine.model.json import Json, NotJson, loads

T = TypeVar("T")

CONNECT_SECONDS = 10.0
LONGEST_WAIT = 60.0
"""A provider that wants to be left alone for longer fails the call: its stage may try again later."""
BACKOFF, LONGEST_BACKOFF = 0.5, 8.0
MOST_BYTES = 256 * 1024 * 1024
MOST_LINE = 16 * 1024 * 1024
MOST_OF_AN_ERROR = 64 * 1024

_clients: dict[asyncio.AbstractEventLoop, tuple[httpx.AsyncClient, AsyncGenerator[None, None]]] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: `tokens` is about what it will take, for the limits."""

    method: str
    path: str
    body: Json = None
    model: str = ""
    headers: Mapping[str, str] | None = None
    timeout: float | None = None
    tokens: int = 0
    files: Mapping[str, tuple[str, bytes, str]] | None = None
    fields: Mapping[str, str] | None = None


class Wire:
    """Requests to one provider. Every method raises the errors under `AIError` and nothing else."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    @property
    def _provider(self) -> str:
        return self._endpoint.provider

    def _pace(self) -> Pace:
        return pace_of(f"{self._provider} {self._endpoint.base_url}", self._endpoint.settings.limits)

    async def json(self, ask: Ask) -> Json:
        """The answer, read as JSON."""
        body = await self._asked(ask, self._pace(), _read)
        try:
            return loads(body)
        except (ValueError, NotJson) as error:
            raise AIBadResponse(f"no JSON: {body[:200]!r}", provider=self._provider) from error

    async def text(self, ask: Ask) -> str:
        return (await self._asked(ask, self._pace(), _read)).decode(errors="replace")

    async def events(self, ask: Ask) -> AsyncIterator[Json]:
        """The data of the server-sent events, each read as JSON. What fails before the first byte is tried again."""
        pace = self._pace()
        response = await self._asked(ask, pace, _opened, keep=True)
        try:
            async for data in _events(response):
                if data == "[DONE]":
                    return
                try:
                    yield loads(data)
                except (ValueError, NotJson) as error:
                    raise AIBadResponse(
                        f"a piece of the stream is no JSON: {data[:200]!r}", provider=self._provider
                    ) from error
        except httpx.HTTPError as error:
            raise self._broken(error, ask) from error
        finally:
            pace.leave()
            await response.aclose()

    def correct(self, guessed: int, used: int) -> None:
        self._pace().correct(guessed, used)

    async def _asked(
        self, ask: Ask, pace: Pace, take: Callable[[httpx.Response], Coroutine[Any, Any, T]], *, keep: bool = False
    ) -> T:
        """What `take` makes of a success. With `keep` the response stays open and its turn taken."""
        retries = self._endpoint.settings.max_retries
        attempt = 0
        while True:
            attempt += 1
            await pace.enter(ask.tokens)
            kept = False
            try:
                taken, error = await self._attempt(ask, take, keep)
                kept = keep and error is None
            finally:
                if not kept:
                    pace.leave()
            if error is None:
                assert taken is not None
                return taken
            wait = _wait(error, attempt)
            if attempt > retries or wait is None:
                raise error
            if isinstance(error, AIRateLimited):
                pace.hold(wait)
            await asyncio.sleep(wait)

    async def _attempt(
        self, ask: Ask, take: Callable[[httpx.Response], Coroutine[Any, Any, T]], keep: bool
    ) -> tuple[T | None, AIError | None]:
        client = _client()
        try:
            request = self._request(client, ask)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise AIBadRequest(f"{type(error).__name__} in its address or headers", provider=self._provider) from None
        try:
            response = await client.send(request, stream=True)
        except httpx.HTTPError as error:
            return None, self._broken(error, ask)
        taken = False
        try:
            if not response.is_success:
                return None, await self._refused(response, ask)
            result = await take(response)
            taken = keep
            return result, None
        except httpx.HTTPError as error:
            return None, self._broken(error, ask)
        finally:
            if not taken:
                await response.aclose()

    def _request(self, client: httpx.AsyncClient, ask: Ask) -> httpx.Request:
        endpoint = self._endpoint
        silence = ask.timeout or endpoint.settings.timeout
        return client.build_request(
            ask.method,
            f"{endpoint.base_url}{ask.path}",
            content=None if ask.body is None else json.dumps(ask.body, ensure_ascii=False).encode(errors="replace"),
            headers={
                **({} if ask.body is None else {"content-type": "application/json"}),
                "user-agent": "wfconsole",
                **(ask.headers or {}),
                **endpoint.headers(),
            },
            files=ask.files,
            data=ask.fields,
            timeout=httpx.Timeout(silence, connect=min(CONNECT_SECONDS, silence), pool=None),
        )

    async def _refused(self, response: httpx.Response, ask: Ask) -> AIError:
        body = await _read(response, MOST_OF_AN_ERROR)
        said = without_secrets(said_by(body) or response.reason_phrase, self._endpoint.secrets())
        return error_for(self._provider, ask.model, response.status_code, said, body, _retry_after(response.headers))

    def _broken(self, error: httpx.HTTPError, ask: Ask) -> AIError:
        """The connection failed, or was silent for too long."""
        silent = isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout)
        seconds = ask.timeout or self._endpoint.settings.timeout
        said = f"no answer in {seconds:g} s" if silent else f"{type(error).__name__}: {error}"
        made = AIUnavailable(without_secrets(said, self._endpoint.secrets()), provider=self._provider)
        made.silent = silent
        made.reached = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol)
        return made


def _wait(error: AIError, attempt: int) -> float | None:
    """The seconds until it is worth asking again; None when it isn't."""
    if not isinstance(error, AIRateLimited | AIUnavailable) or (isinstance(error, AIUnavailable) and error.silent):
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= LONGEST_WAIT else None
    most = min(BACKOFF * 2.0 ** (attempt - 1), LONGEST_BACKOFF)
    return most * random.uniform(0.5, 1)  # noqa: S311


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds, from either header; a date is taken too."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        said = headers.get("retry-after")
        if not said:
            return None
        if said.replace(".", "", 1).strip().isdigit():
            return float(said)
        moment: float = parsedate_to_datetime(said).timestamp()
        return max(0.0, moment - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


async def _read(response: httpx.Response, most: int = MOST_BYTES) -> bytes:
    """The body, up to `most` bytes: a longer one is cut where it serves as an error's text, and refused elsewhere."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            if response.is_success:
                raise AIBadResponse(f"the answer is longer than {most} bytes")
            break
    return bytes(body[:most])


async def _opened(response: httpx.Response) -> httpx.Response:
    return response


async def _events(response: httpx.Response) -> AsyncIterator[str]:
    """The data of each event; comments, names and ids are passed over."""
    lines: list[str] = []
    async for line in _lines(response):
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
        elif not line and lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


async def _lines(response: httpx.Response) -> AsyncIterator[str]:
    """Split at line feeds only: a model's text may hold every other separator Unicode knows."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode(errors="replace")
        if len(rest) > MOST_LINE:
            raise AIBadResponse(f"a line of the stream is longer than {MOST_LINE} bytes")
    if rest:
        yield rest.removesuffix(b"\r").decode(errors="replace")


def _client() -> httpx.AsyncClient:
    """This loop's own client. A generator closes it when the loop shuts its generators down: nobody has to."""
    loop = asyncio.get_running_loop()
    with _lock:
        found = _clients.get(loop)
        if found is None:
            client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None, max_keepalive_connections=32))
            keeper = _closing(loop, client)
            # Its first step is what makes the loop know of it; it never waits, so it can be driven from here.
            _drive(keeper.__anext__())
            _clients[loop] = found = client, keeper
    return found[0]


async def _closing(loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        with _lock:
            _clients.pop(loop, None)
        await client.aclose()


def _drive(step: Any) -> None:
    try:
        step.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")


async def close_connections() -> None:
    """Close what this loop holds open to providers; the next call opens anew."""
    with _lock:
        found = _clients.get(asyncio.get_running_loop())
    if found is not None:
        await found[1].aclose()
