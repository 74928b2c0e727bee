"""Alembic's entry: runs the migrations on the connection, and in the transaction, it is handed."""

from __future__ import annotations

from alembic import context

from engine.stores.sql.migrate import VERSION_TABLE
from engine.stores.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
