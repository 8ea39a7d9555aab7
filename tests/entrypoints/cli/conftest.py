"""Fixtures of the tests of the command line."""

from tests.servers import server

__all__ = ["server"]
