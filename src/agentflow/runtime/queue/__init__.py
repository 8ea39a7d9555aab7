"""Claiming, renewing and releasing runs."""
