"""The command line: one module a family of commands. Nothing here imports Textual."""
