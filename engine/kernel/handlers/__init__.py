"""One file a command: load, decide, say. A handler never begins, commits, publishes, sleeps or reads a clock."""
