"""Seeing what the program does: logs, metrics, health."""
