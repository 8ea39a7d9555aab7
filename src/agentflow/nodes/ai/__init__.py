"""Node types that call models."""
