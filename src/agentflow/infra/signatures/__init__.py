"""Signing what this installation hands out and later gets back."""
