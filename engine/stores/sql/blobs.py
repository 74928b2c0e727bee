"""Blobs as rows, in statements."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.reading import Reading
from engine.stores.sql.rows import where
from engine.stores.sql.side_tables import blobs


def _put(dialect: Dialect) -> Any:
    insert = dialect.insert(blobs)
    fresh = {name: insert.excluded[name] for name in ("content", "size", "digest", "created_at")}
    return insert.on_conflict_do_update(index_elements=[blobs.c.key], set_=fresh)


_prepared = Prepared(
    put=_put,
    delete=lambda dialect: blobs.delete().where(dialect.member(blobs.c.key, "keys")),
)
_get = select(blobs.c.content).where(blobs.c.key == where("key"))
_has = select(blobs.c.key).where(blobs.c.key == where("key"))
_keys = select(blobs.c.key).where(func.substr(blobs.c.key, 1, where("length")) == where("prefix"))


class SqlBlobRows:
    """`engine.ports.blobs.BlobRows`."""

    def __init__(self, connection: Connection, dialect: Dialect, now: datetime) -> None:
        self._connection = connection
        self._dialect = dialect
        self._now = now

    def put(self, key: str, content: bytes) -> None:
        row = {
            "key": key,
            "content": content,
            "size": len(content),
            "digest": hashlib.sha256(content).hexdigest(),
            "created_at": self._now,
        }
        self._connection.execute(_prepared(self._dialect).put, row)

    def delete(self, keys: Sequence[str]) -> int:
        values = {"keys": self._dialect.members(list(keys))}
        return self._connection.execute(_prepared(self._dialect).delete, values).rowcount


class BlobReads(Reading):
    """The part of `engine.ports.reads.ReadStore` about blobs kept in the database."""

    def blob(self, key: str) -> bytes | None:
        content = self._ask(_get, {"b_key": key}).scalar()
        return None if content is None else bytes(content)

    def has_blob(self, key: str) -> bool:
        return self._ask(_has, {"b_key": key}).first() is not None

    def blob_keys(self, prefix: str) -> list[str]:
        return sorted(self._ask(_keys, {"b_prefix": prefix, "b_length": len(prefix)}).scalars())
