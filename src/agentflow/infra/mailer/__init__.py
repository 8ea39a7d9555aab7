"""Sending mail: a port, and its implementations."""
