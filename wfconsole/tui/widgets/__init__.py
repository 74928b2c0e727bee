"""The console's own widgets. Those that may hold many lines paint them one by one (Textual's Line API)."""
