"""Workflows that do real work without any key: what is registered when nothing else is.

They use the engine as any stranger would, so they are also the first code to read before writing one's own.
"""

from sample_workflows.batch_digest import batch_digest
from sample_workflows.bulk_classify import bulk_classify
from sample_workflows.document_processor import document_processor
from sample_workflows.flaky_import import flaky_import, flaky_import_notifier
from sample_workflows.ticket_triage import ticket_triage

WORKFLOWS = (document_processor, batch_digest, flaky_import, ticket_triage, bulk_classify)
PLUGINS = (flaky_import_notifier,)

__all__ = ["PLUGINS", "WORKFLOWS"]
