"""Where the values of ``{{ secrets.NAME }}`` come from."""

import os
from collections.abc import Mapping

PREFIX = "AGENTFLOW_SECRET_"


class EnvironmentSecrets:
    """Secrets from variables ``AGENTFLOW_SECRET_<NAME>`` of the server's environment, read once."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        source = os.environ if environment is None else environment
        self._values = {name.removeprefix(PREFIX): value for name, value in source.items() if name.startswith(PREFIX)}

    def names(self) -> frozenset[str]:
        """Return the names of all secrets."""
        return frozenset(self._values)

    def get(self, name: str) -> str | None:
        """Return a secret's value, or None."""
        return self._values.get(name)

    def __repr__(self) -> str:
        return f"EnvironmentSecrets({sorted(self._values)})"
