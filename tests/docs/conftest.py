"""Fixtures of the tests of the documentation."""

from tests.servers import server

__all__ = ["server"]
