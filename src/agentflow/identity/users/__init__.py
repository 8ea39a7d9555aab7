"""The accounts that an organisation administers, and its service accounts."""
