"""Secrets that somebody left in the tree, found by detect-secrets; security/secrets.toml lists what looks like one and is none."""

import os
import subprocess
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NO_SECRETS = ROOT / "security" / "secrets.toml"
BY_FORM = [
    "ArtifactoryDetector",
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "DiscordBotTokenDetector",
    "GitHubTokenDetector",
    "GitLabTokenDetector",
    "MailchimpDetector",
    "NpmDetector",
    "OpenAIDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "SendGridDetector",
    "SlackDetector",
    "SquareOAuthDetector",
    "StripeDetector",
    "TelegramBotTokenDetector",
    "TwilioKeyDetector",
]
"""Keys that are known by their form: there is no reason for one anywhere."""
BY_PLACE = ["BasicAuthDetector", "JwtTokenDetector", "KeywordDetector", "Base64HighEntropyString", "HexHighEntropyString"]
"""What is assigned to a telling name, or looks random. Tests and pages are full of passwords that open nothing, so not there."""
MADE_UP = ("tests/", "docs/", "security/", "benchmarks/", "README.md", "CHANGELOG.md")
NOT_READ = frozenset({"uv.lock", "scripts/uv.txt", "security/secrets.toml"})
"""Hashes of files, and the list of what is none."""


def found_in(names: Sequence[str]) -> list[tuple[str, int, str, str]]:
    """Return file, line, kind and value of what looks like a secret."""
    return [finding for name in names for finding in _scan(name)]


def _scan(name: str) -> Iterable[tuple[str, int, str, str]]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import transient_settings

    is_made_up = name.startswith(MADE_UP)
    plugins = BY_FORM if is_made_up else [*BY_FORM, *BY_PLACE]
    with transient_settings({"plugins_used": [{"name": plugin} for plugin in plugins]}):
        if is_made_up:
            # The whole text at once is a hundred times quicker than line by line, and hardly any has one.
            every: Iterable[Any] = get_mapping_from_secret_type_to_class().values()
            kinds = [kind for kind in every if kind.__name__ in BY_FORM]
            text = (ROOT / name).read_text(errors="replace")
            if not any(form.search(text) for kind in kinds for form in kind.denylist):
                return []
        return [(name, secret.line_number, secret.type, secret.secret_value or "") for secret in scan_file(str(ROOT / name))]


def allowed(text: str) -> dict[str, str]:
    """Return the values that are no secrets, with the reason."""
    return {value: entry["why"] for entry in tomllib.loads(text)["none"] for value in entry["values"]}


def check() -> list[str]:
    """Return what looks like a secret; the message does not repeat it."""
    listed = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True, cwd=ROOT).stdout.splitlines()
    names = [name for name in listed if name not in NOT_READ and (ROOT / name).is_file()]
    shares = [names[start :: 2 * (os.cpu_count() or 1)] for start in range(2 * (os.cpu_count() or 1))]
    with ProcessPoolExecutor() as pool:
        findings = [finding for share in pool.map(found_in, shares) for finding in share]
    known = allowed(NO_SECRETS.read_text())
    unused = set(known) - {value for *_, value in findings}
    return [f"{name}:{line}: {kind}" for name, line, kind, value in sorted(findings) if value not in known] + [
        f"security/secrets.toml: {value!r} stands nowhere any more" for value in sorted(unused)
    ]
