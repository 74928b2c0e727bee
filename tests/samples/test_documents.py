"""Reading documents: what is understood, and what is refused with which words."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from engine import NonRetryable
from sample_workflows import documents
from sample_workflows.documents import read_document, without_password

Serve = Callable[[Mapping[str, tuple[int, Mapping[str, str], bytes]]], str]


async def test_a_path_is_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n\nWords.\n")
    monkeypatch.chdir(tmp_path)
    document = await read_document("notes.md")
    assert (document.name, document.kind, document.charset) == ("notes.md", "markdown", "utf-8")
    assert document.content == "# Notes\n\nWords.\n"
    assert not document.truncated


async def test_a_file_url_may_hold_escapes(tmp_path: Path) -> None:
    file = tmp_path / "two words é.txt"
    file.write_text("plain")
    document = await read_document(file.as_uri())
    assert (document.name, document.kind, document.content) == ("two words é.txt", "text", "plain")


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        ("Grüße".encode("latin-1"), "cp1252", "Grüße"),
        ("Grüße".encode(), "utf-8", "Grüße"),
        ("Grüße".encode("utf-8-sig"), "utf-8-sig", "Grüße"),
        ("Grüße".encode("utf-16"), "utf-16", "Grüße"),
        (b"", "utf-8", ""),
        (b"one\r\ntwo\rthree", "utf-8", "one\ntwo\nthree"),
    ],
)
async def test_charsets(tmp_path: Path, content: bytes, charset: str, text: str) -> None:
    file = tmp_path / "page.txt"
    file.write_bytes(content)
    document = await read_document(str(file))
    assert (document.content, document.charset) == (text, charset)


async def test_a_page_may_name_its_charset_and_a_wrong_name_is_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(b'<html><meta charset="koi8-r"><p>' + "Привет".encode("koi8-r"))
    assert "Привет" in (await read_document(str(file))).content
    file.write_bytes(b'<html><meta charset="base64"><p>Gr\xc3\xbc\xc3\x9fe')
    assert "Grüße" in (await read_document(str(file))).content


async def test_a_huge_file_is_cut_between_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_BYTES", 1001)
    file = tmp_path / "huge.txt"
    file.write_text("é" * 5000)
    document = await read_document(str(file))
    assert document.truncated
    assert document.charset == "utf-8"
    assert document.content == "é" * 500


async def test_what_will_never_be_readable_is_not_tried_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros.bin").write_bytes(b"ab\0\0cd")
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7 words")
    refused = {
        str(tmp_path / "missing.md"): "no such file",
        str(tmp_path): "is a directory",
        str(tmp_path / "pipe"): "not a regular file",
        str(tmp_path / "zeros.bin"): "is a binary file",
        str(tmp_path / "paper.pdf"): "is a binary file",
        str(tmp_path / "zeros.bin" / "below.txt"): "cannot read",
        str(tmp_path / ("long" * 200)): "cannot read",
        "nul\0byte": "not a usable path",
        "ftp://example.org/a.txt": "cannot read ftp:// addresses",
        "file://elsewhere/a.txt": "another machine",
        "http://": "not a usable address",
        "http://host:port/": "not a usable address",
    }
    for source, sentence in refused.items():
        with pytest.raises(NonRetryable, match=sentence):
            await read_document(source)


async def test_a_missing_relative_file_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NonRetryable) as raised:
        await read_document("missing.md")
    assert str(raised.value) == f"no such file: missing.md in {tmp_path}, the directory the worker runs in"


async def test_a_page_is_fetched_with_its_kind_charset_and_name(serve: Serve) -> None:
    html = {"Content-Type": "text/html; charset=iso-8859-1"}
    moved = {"Location": "/docs/page"}
    at = serve({"/docs/page": (200, html, "<p>Grüße</p>".encode("latin-1")), "/old": (301, moved, b"")})
    document = await read_document(f"{at}/old")
    assert (document.kind, document.content, document.name) == ("html", "<p>Grüße</p>", "page")


async def test_a_proxy_is_not_asked_for_pages_of_this_machine(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    at = serve({"/a.txt": (200, {"Content-Type": "text/plain"}, b"straight")})
    assert (await read_document(f"{at}/a.txt")).content == "straight"


async def test_answers_that_stay_and_answers_that_may_change(serve: Serve) -> None:
    at = serve(
        {
            "/gone": (410, {}, b""),
            "/forbidden": (403, {}, b""),
            "/busy": (503, {}, b""),
            "/slow-down": (429, {}, b""),
            "/circle": (302, {"Location": "/circle"}, b""),
            "/picture": (200, {"Content-Type": "image/png"}, b"\x89PNG"),
        }
    )
    for path, sentence in {
        "/missing": "no such page",
        "/gone": "no such page",
        "/forbidden": "answered 403",
        "/circle": "in circles",
        "/picture": "is image/png, not text",
    }.items():
        with pytest.raises(NonRetryable, match=sentence):
            await read_document(at + path)
    for path in ("/busy", "/slow-down"):
        with pytest.raises(ConnectionError, match="may work later"):
            await read_document(at + path)


async def test_a_server_that_is_not_there_may_come_back() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(ConnectionError, match="could not fetch"):
        await read_document(f"http://127.0.0.1:{port}/")


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "TOTAL_SECONDS", 0.1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(TimeoutError, match="did not answer in time"),
    ):
        await read_document(f"http://127.0.0.1:{silent.getsockname()[1]}/")


async def test_a_long_page_is_read_only_as_far_as_wanted(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_BYTES", 1000)
    at = serve({"/long.txt": (200, {"Content-Type": "text/plain"}, b"word " * 1_000_000)})
    document = await read_document(f"{at}/long.txt")
    assert document.truncated
    assert document.size == 1000


async def test_no_password_of_an_address_is_ever_shown() -> None:
    assert without_password("https://me:secret@host/a@b") == "https://host/a@b"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(ConnectionError) as raised:
        await read_document(f"http://me:secret@127.0.0.1:{port}/")
    assert "secret" not in str(raised.value)
