"""Hosts give the kernel time and processes."""

from engine.hosts.serverless import ServerlessHost
from engine.hosts.worker import WorkerHost

__all__ = ["ServerlessHost", "WorkerHost"]
