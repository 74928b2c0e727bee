"""Stores: where everything is kept. SQLite and Postgres share `sql` and nothing else."""
