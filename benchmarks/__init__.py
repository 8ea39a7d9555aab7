"""Measurements against the targets, each beside a peer or a floor in the same run."""
