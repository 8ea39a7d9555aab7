"""Tests of what a workflow is."""
