"""The operator's console and command line over the engine."""
