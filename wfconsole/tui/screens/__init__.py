"""The places of the console and its dialogs."""
