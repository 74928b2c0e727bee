"""Pure rules: no ports, nothing that waits, no clock."""
