"""Floor 0: ids, statuses, JSON and the frozen records that travel between the floors. Nothing here waits."""
