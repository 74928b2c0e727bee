"""Ports: what the floors above need, as Protocols that promise. Implementations live in stores, blobs, sinks and
kernel."""
