"""One adapter for each way providers speak; each is imported when it is first used."""
