"""Reading a document from a path, a `file://` or an `http(s)://` URL, as text.

What cannot get better by trying again (a missing file, a directory, an unknown scheme, a binary, a 404)
raises `NonRetryable` with a sentence for people. What may raises `ConnectionError` or `TimeoutError`.
"""

from __future__ import annotations

import asyncio
import codecs
import errno
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from engine import NonRetryable

if TYPE_CHECKING:
    import httpx

Kind = Literal["text", "markdown", "html"]

MAX_BYTES = 2_000_000
"""What is read of one document at most; the rest is left out."""

TOTAL_SECONDS = 30.0
"""How long one download may take in all, however slowly it drips."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE)
_LOOKS_LIKE_HTML = re.compile(r"\s*(<\?xml[^>]*>\s*)?<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY_STARTS = (
    *(b"%PDF-", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"GIF8"),
    *(b"\x1f\x8b", b"\x7fELF", b"SQLite format 3"),
)
_HOPELESS = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}


@dataclass(frozen=True, slots=True)
class Document:
    """A document as read: its decoded content, what it is written in, and whether something was left out."""

    source: str
    name: str
    kind: Kind
    content: str
    charset: str
    size: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class _Raw:
    content: bytes
    truncated: bool
    name: str
    media_type: str = ""
    charset: str = ""


async def read_document(source: str) -> Document:
    """The document at `source`: a path relative to the working directory, or a URL. Raises as told above."""
    found = _SCHEME.match(source)
    scheme = found.group(1).lower() if found else ""
    if scheme in ("http", "https"):
        raw = await _download(source)
    elif scheme == "file":
        raw = await asyncio.to_thread(_read_file, _path_of(source), source)
    elif scheme:
        raise NonRetryable(f"cannot read {scheme}:// addresses: give a path, a file:// or an http(s):// URL")
    else:
        raw = await asyncio.to_thread(_read_file, Path(source), source)
    return _decode(without_password(source), raw)


def without_password(url: str) -> str:
    """The address without the user and password that may stand in it, fit for logs and reports."""
    return re.sub(r"(://)[^/@\s]*@", r"\1", url)


def _path_of(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise NonRetryable(f"{url} names a file of another machine ({parts.netloc}); a local one is file:///path")
    return Path(url2pathname(parts.path))


def _read_file(path: Path, source: str) -> _Raw:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise NonRetryable(f"{source} is a directory: name one document, or digest a folder with batch-digest")
        if not stat.S_ISREG(mode):
            raise NonRetryable(f"{source} is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        where = "" if path.is_absolute() else f" in {Path.cwd()}, the directory the worker runs in"
        raise NonRetryable(f"no such file: {source}{where}") from None
    except ValueError as error:
        raise NonRetryable(f"{source!r} is not a usable path: {error}") from None
    except OSError as error:
        if error.errno in _HOPELESS:
            raise NonRetryable(f"cannot read {source}: {error.strerror}") from None
        raise
    return _Raw(content[:MAX_BYTES], len(content) > MAX_BYTES, path.name)


async def _download(url: str) -> _Raw:
    # Costs a tenth of a second: only a worker that really downloads pays for it.
    import httpx

    shown = without_password(url)
    try:
        host = httpx.URL(url).host
        # A page of this very machine is never behind a proxy, whatever the environment says.
        through_proxy = host not in ("localhost", "127.0.0.1", "::1")
        async with (
            asyncio.timeout(TOTAL_SECONDS),
            httpx.AsyncClient(
                timeout=httpx.Timeout(10, connect=5),
                follow_redirects=True,
                max_redirects=5,
                trust_env=through_proxy,
                headers={"user-agent": "wfconsole-samples", "accept": "text/*, */*;q=0.1"},
            ) as client,
            client.stream("GET", url) as response,
        ):
            _check_status(response.status_code, shown)
            content = await _first_bytes(response)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise NonRetryable(f"{shown} is not a usable address: {error}") from None
    except httpx.TooManyRedirects:
        raise NonRetryable(f"{shown} only redirects in circles") from None
    except (TimeoutError, httpx.TimeoutException):
        raise TimeoutError(f"{shown} did not answer in time") from None
    except httpx.RequestError as error:
        raise ConnectionError(f"could not fetch {shown}: {str(error) or type(error).__name__}") from None
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    name = PurePosixPath(unquote(response.url.path)).name or response.url.host
    return _Raw(content[:MAX_BYTES], len(content) > MAX_BYTES, name, media_type, response.charset_encoding or "")


async def _first_bytes(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > MAX_BYTES:
            break
    return bytes(content)


def _check_status(status: int, shown: str) -> None:
    if 200 <= status < 300:
        return
    if status >= 500 or status in (408, 425, 429):
        raise ConnectionError(f"{shown} answered {status}; it may work later")
    if status in (404, 410):
        raise NonRetryable(f"no such page: {shown} answered {status}")
    raise NonRetryable(f"{shown} answered {status}")


def _decode(source: str, raw: _Raw) -> Document:
    charset = _charset(raw)
    family = raw.media_type.partition("/")[0]
    if family in ("image", "audio", "video", "font"):
        raise NonRetryable(f"{source} is {raw.media_type}, not text")
    has_zeros = b"\0" in raw.content[:8192] and not charset.startswith(("utf-16", "utf-32"))
    if has_zeros or raw.content.startswith(_BINARY_STARTS):
        raise NonRetryable(f"{source} is a binary file, not text, Markdown or HTML")
    content, charset = _decoded(raw.content, charset, raw.truncated)
    content = content.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return Document(source, raw.name, _kind(raw, content), content, charset, len(raw.content), raw.truncated)


def _charset(raw: _Raw) -> str:
    """What the bytes say themselves, then the server, then the page; empty when nobody says."""
    for mark, charset in _BYTE_ORDER_MARKS:
        if raw.content.startswith(mark):
            return charset
    declared = _META_CHARSET.search(raw.content[:4096])
    for name in (raw.charset, declared.group(1).decode("ascii") if declared else ""):
        try:
            # Also refuses what Python calls a codec but is no charset: base64, zip.
            b"a".decode(name or "utf-8")
        except (LookupError, UnicodeError):
            continue
        if name:
            return codecs.lookup(name).name
    return ""


def _decoded(content: bytes, charset: str, truncated: bool) -> tuple[str, str]:
    if charset:
        return content.decode(charset, errors="replace"), charset
    try:
        # A cut may have split the last character: only then is an unfinished one no reason to doubt.
        return codecs.getincrementaldecoder("utf-8")().decode(content, final=not truncated), "utf-8"
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), "cp1252"


def _kind(raw: _Raw, content: str) -> Kind:
    suffix = PurePosixPath(raw.name).suffix.lower()
    if raw.media_type in ("text/html", "application/xhtml+xml") or suffix in (".html", ".htm", ".xhtml"):
        return "html"
    if raw.media_type in ("text/markdown", "text/x-markdown") or suffix in (".md", ".markdown"):
        return "markdown"
    return "html" if _LOOKS_LIKE_HTML.match(content) else "text"
