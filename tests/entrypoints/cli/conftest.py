"""Fixtures of the tests of the command line."""

import logging

import pytest
import structlog

from agentflow.infra.observability import logging as observability
from tests.servers import server

__all__ = ["loggers_of_its_own", "server"]


@pytest.fixture(autouse=True)
def loggers_of_its_own(monkeypatch):
    """Keep the real set-up away: it makes loggers for good, for this process and its other tests."""
    monkeypatch.setattr(observability, "configure_logging", quiet)
    yield
    structlog.reset_defaults()


def quiet(level, log_format):
    """Log what the command line would log, which is what is wrong."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number), cache_logger_on_first_use=False)
