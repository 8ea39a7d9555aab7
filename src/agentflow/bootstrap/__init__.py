"""Where concrete classes are chosen and joined."""
