"""Campaigns against real processes, at any size: small in the tests, full in ``make chaos``. Each says what it found in one line."""
