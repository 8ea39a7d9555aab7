"""Tokens: those that sign requests for a quarter of an hour, and those that work once."""
