"""Driving one run."""
