"""Who a worker is."""

from __future__ import annotations

import os
import secrets
import socket


def default_worker_id() -> str:
    """Host, process and a random part: an id that comes back after a restart would hide what the dead one left."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
