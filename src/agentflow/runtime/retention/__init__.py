"""Deleting what is no longer to be kept: ended runs by age and number, and what runs leave behind."""
