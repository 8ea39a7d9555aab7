"""Node types that wait for somebody outside: people, and systems that send events."""
