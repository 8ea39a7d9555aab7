"""Rows of runs and node runs."""
