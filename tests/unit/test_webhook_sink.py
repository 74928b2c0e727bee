"""The webhook, against a real server on this machine."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from engine.errors import EngineError
from engine.events import parse_event
from engine.sinks import FanOut, WebhookSink
from engine.sinks.webhook import WebhookFailed, is_public

EVENT = parse_event(
    {
        "id": "e1",
        "run_id": "r1",
        "sequence": 3,
        "type": "stage:completed",
        "occurred_at": "2026-11-24T12:00:00Z",
        "causation_id": "c",
        "stage_id": "one",
        "stage_name": "One",
        "duration_ms": 12,
    }
)


class Receiver:
    """Keeps requests; answers what it is told to."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.status, self.answer, self.headers = 204, b"", {}
        self.hold = threading.Event()
        self.hold.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                outer.hold.wait(30)
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(outer.answer)))
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook?token=hidden"

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


async def test_an_event_goes_out_as_a_signed_cloud_event(receiver: Receiver) -> None:
    key = b"0123456789abcdef01234567"
    secret = "whsec_" + base64.b64encode(key).decode()
    sink = WebhookSink("hook", receiver.url, secrets=[secret, "plain"], allow_private=True, headers={"x-team": "a"})
    await sink.emit(EVENT)
    await sink.close()
    ((path, headers, body),) = receiver.requests
    assert path == "/hook?token=hidden"
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert (headers["webhook-id"], headers["x-team"]) == ("e1", "a")
    signed = f"e1.{headers['webhook-timestamp']}.".encode() + body
    expected = [
        "v1," + base64.b64encode(hmac.new(one, signed, hashlib.sha256).digest()).decode() for one in (key, b"plain")
    ]
    assert headers["webhook-signature"].split(" ") == expected
    sent = json.loads(body)
    assert {name: sent[name] for name in ("specversion", "id", "type", "source", "subject", "time", "sequence")} == {
        "specversion": "1.0",
        "id": "e1",
        "type": "dev.wfconsole.stage.completed",
        "source": "/wfconsole/runs/r1",
        "subject": "r1",
        "time": "2026-11-24T12:00:00Z",
        "sequence": "0000000003",
    }
    assert (sent["data"]["stage_id"], sent["data"]["duration_ms"], sent["data"]["type"]) == (
        "one",
        12,
        "stage:completed",
    )


@pytest.mark.parametrize("status", [301, 302, 307, 400, 410, 429, 500, 503])
async def test_whatever_is_no_success_is_a_failed_delivery(receiver: Receiver, status: int) -> None:
    receiver.status, receiver.answer = status, b"go away " * 200
    receiver.headers = {"location": receiver.url}
    sink = WebhookSink("hook", receiver.url, allow_private=True)
    with pytest.raises(WebhookFailed) as caught:
        await sink.emit(EVENT)
    await sink.close()
    assert len(receiver.requests) == 1, "a redirect leads nowhere"
    assert f"answered {status}: go away" in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert len(str(caught.value)) < 700


async def test_a_receiver_that_does_not_answer_is_given_up(receiver: Receiver) -> None:
    receiver.hold.clear()
    sink = WebhookSink("hook", receiver.url, allow_private=True, timeout=0.1)
    with pytest.raises(WebhookFailed, match=r"did not answer in 0\.1 s"):
        await sink.emit(EVENT)
    await sink.close()


async def test_types_not_asked_for_count_as_taken(receiver: Receiver) -> None:
    sink = WebhookSink("hook", receiver.url, allow_private=True, on=["workflow:failed"])
    await sink.emit(EVENT)
    await sink.close()
    assert receiver.requests == []


async def test_an_address_that_is_not_public_is_refused(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    port = receiver.url.split(":")[2].split("/")[0]
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"):
        sink = WebhookSink("hook", f"http://{host}:{port}/")
        with pytest.raises(WebhookFailed, match="not public"):
            await sink.emit(EVENT)
        await sink.close()
    private = ".".join(["10", "1", "2", "3"])
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    sink = WebhookSink("hook", f"http://{private}/")
    with pytest.raises(WebhookFailed, match="not public"):
        await sink.emit(EVENT)
    await sink.close()
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("127.0.0.53", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("url", ["", "ftp://host/", "https://", "https://ann:secret1@host/", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(EngineError) as caught:
        WebhookSink("hook", url)
    assert "secret1" not in str(caught.value)


def test_what_is_shown_hides_the_query() -> None:
    sink = WebhookSink("hook", "https://host/path?key=abc", secrets=["s3cret-value"])
    assert sink.target == "https://host/path"
    assert "abc" not in repr(sink)
    assert "s3cret" not in repr(sink)


def test_a_fan_out_needs_different_ids() -> None:
    one = WebhookSink("a", "https://host/")
    for sinks in ([], [one, one]):
        with pytest.raises(EngineError, match="different ids"):
            FanOut(sinks)
