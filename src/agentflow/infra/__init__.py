"""Technical ground: database, events, HTTP, observability. Knows no workflow."""
