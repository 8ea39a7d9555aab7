"""Node types that steer the flow."""
