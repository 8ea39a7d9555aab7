"""The event log of runs."""
