"""Commands that wait for the outside world between short transactions: bodies, completion checks, sinks."""
