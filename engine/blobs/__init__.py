"""Blob stores: large payloads and artifacts."""
