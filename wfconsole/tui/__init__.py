"""The terminal console: a Textual application over the gateway. It paints snapshots and sends commands."""
