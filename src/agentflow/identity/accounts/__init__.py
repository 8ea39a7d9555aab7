"""Accounts: coming in, proving who one is, and keeping it that way."""
