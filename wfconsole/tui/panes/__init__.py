"""The tabs of a run, each mounted when it is first looked at."""
