"""The kernel: commands become transactions. Public through `engine.bootstrap`; the rest of it is private."""
