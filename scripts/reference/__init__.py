"""Writes docs/reference from the code, so that it is never behind."""
