"""Alembic's folder: one numbered file a change of the schema, under `versions`."""
