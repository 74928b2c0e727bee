"""Measures the engine on the machine at hand: `python -m bench --help`."""
