"""What runs wait for: questions to people, events, breakpoints, unknown outcomes."""
