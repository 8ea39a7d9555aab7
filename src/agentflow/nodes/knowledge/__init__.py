"""Node types over document collections."""
