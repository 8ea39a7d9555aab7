"""Settings, one file per area."""
