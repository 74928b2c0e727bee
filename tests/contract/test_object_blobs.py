"""Blobs in an object store: in memory, and in an S3 that answers on this machine."""

from __future__ import annotations

import logging
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from obstore.store import MemoryStore, S3Store
from pydantic import BaseModel

from engine import CreateRun, NoConfig, StageContext, WorkflowBuilder, stage
from engine.blobs.filesystem import FilesystemBlobStore
from engine.blobs.objects import ObjectBlobStore, blob_store_at
from engine.bootstrap import open_engine
from engine.errors import EngineError, StoreUnavailable
from engine.ports.blobs import BlobStore
from engine.testing.conformance import BlobPromises
from wfconsole.gateway import Gateway
from wfconsole.settings import Settings

HTTP = {"allow_http": True}
SECRET = "not-to-be-shown-1"


class TestBlobsInMemory(BlobPromises):
    @pytest.fixture
    def blobs(self) -> BlobStore:
        return blob_store_at("memory://")


class TestBlobsInAFolder(BlobPromises):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> BlobStore:
        return blob_store_at(f"file://{tmp_path}/blobs")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, and the environment of somebody who may use it."""
    name = f"b{uuid.uuid4().hex}"
    urllib.request.urlopen(urllib.request.Request(f"{s3}/{name}", method="PUT")).close()
    for variable, value in {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(variable, value)
    return name


class TestBlobsInS3(BlobPromises):
    @pytest.fixture
    def blobs(self, bucket: str) -> BlobStore:
        return blob_store_at(f"s3://{bucket}/some/prefix")


async def test_two_prefixes_of_a_bucket_know_nothing_of_each_other(bucket: str) -> None:
    one, other, whole = (blob_store_at(f"s3://{bucket}{prefix}") for prefix in ("/one", "/other/", ""))
    await one.put("key", b"of one")
    assert await other.list() == []
    assert not await other.has("key")
    await other.put("key", b"of the other")
    assert await one.get("key") == b"of one"
    assert await whole.list() == ["one/key", "other/key"]


async def test_bytes_that_were_altered_are_refused(bucket: str) -> None:
    blobs = blob_store_at(f"s3://{bucket}")
    await blobs.put("key", b"content")
    await S3Store(bucket, client_options=HTTP).put_async("key", b"altered", attributes={"sha256": "0" * 64})
    with pytest.raises(ValueError, match="altered"):
        await blobs.get("key")


async def test_an_object_that_somebody_else_put_there_is_read(bucket: str) -> None:
    await S3Store(bucket, client_options=HTTP).put_async("key", b"plain")
    assert await blob_store_at(f"s3://{bucket}").get("key") == b"plain"


async def test_a_bucket_that_is_not_there_is_no_missing_key_on_put(bucket: str) -> None:
    blobs = blob_store_at(f"s3://{bucket}x")
    with pytest.raises(StoreUnavailable, match=f"s3://{bucket}x") as caught:
        await blobs.put("key", b"x")
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


class Text(BaseModel):
    text: str


@stage(id="long")
async def long(ctx: StageContext[Text, NoConfig]) -> Text:
    return Text(text=ctx.input.text * 300_000)


@stage(id="count")
async def count(ctx: StageContext[Text, NoConfig]) -> int:
    return len(ctx.input.text)


async def test_large_outputs_of_runs_lie_there(bucket: str, url: str) -> None:
    flow = WorkflowBuilder("flow", "Flow", input=Text).pipe(long).pipe(count).build()
    address = f"s3://{bucket}/runs"
    async with open_engine(url, workflows=[flow], blob_store=address) as engine:
        async with engine.worker():
            created = await engine.dispatch(CreateRun(idempotency_key="k", workflow_id="flow", input=Text(text="a")))
            run = await engine.wait(created.run_id, 30)
        assert (run.status, run.output) == ("COMPLETED", 300_000)
        assert run.stages[0].output == {"text": "a" * 300_000}
        assert await engine.fsck() == []
    keys = await blob_store_at(address).list()
    assert len(keys) == 1
    assert keys[0].startswith(f"runs/{run.id}/")


async def test_the_console_and_the_command_line_find_them_too(bucket: str, tmp_path: Path) -> None:
    settings = Settings(db=f"sqlite:///{tmp_path}/runs.db", blobs={"url": f"s3://{bucket}"})
    async with Gateway(settings, definitions=False) as gateway:
        await gateway.engine._blobs.put("key", b"x")
    assert await blob_store_at(f"s3://{bucket}").list() == ["key"]
    assert list(tmp_path.glob("*.blobs")) == []


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bucket",
        "ftp://bucket",
        "s3://",
        "s3:///prefix",
        "s3://key:hunter22@bucket/prefix",
        "s3://bucket?secret=hunter22",
        "s3://bucket#hunter22",
        "https://bucket.example",
        "file://",
        "file:///",
        "file://host/folder",
        "memory://x",
        "s3://[",
    ],
)
def test_what_is_no_address_is_said_without_being_shown(url: str) -> None:
    with pytest.raises(EngineError) as caught:
        blob_store_at(url)
    assert "hunter22" not in str(caught.value)
    assert "s3://bucket/prefix" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("s3://bucket/prefix", {}),
        ("gs://bucket/prefix", {}),
        ("az://container/prefix", {"AZURE_STORAGE_ACCOUNT_NAME": "somebody"}),
        ("memory://", {}),
    ],
)
def test_every_kind_is_opened_without_asking_anybody(
    url: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert isinstance(blob_store_at(url), ObjectBlobStore)


def test_a_folder_is_the_file_store(tmp_path: Path) -> None:
    assert isinstance(blob_store_at(f"file://{tmp_path}"), FilesystemBlobStore)


def test_an_account_that_is_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_USE_EMULATOR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(EngineError, match="az://container"):
        blob_store_at("az://container/prefix")


def test_without_the_extra_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "obstore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(EngineError, match=r"wfconsole\[objects\]"):
        blob_store_at("s3://bucket")


async def test_a_store_that_can_not_be_reached_is_no_missing_key(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    blobs = blob_store_at(f"s3://{bucket}")
    monkeypatch.undo()
    with pytest.raises(StoreUnavailable) as caught:
        await blobs.get("key")
    assert SECRET not in str(caught.value)


async def test_an_error_of_the_library_is_told_in_a_line_without_queries() -> None:
    class Failing(MemoryStore):
        async def get_async(self, *_: object, **__: object) -> object:
            raise OSError("GET https://host/key?sig=abc123 failed\nDebug source: …")

    with pytest.raises(StoreUnavailable) as caught:
        await ObjectBlobStore(Failing(), "az://container").get("key")
    assert "sig" not in str(caught.value)
    assert "Debug" not in str(caught.value)
