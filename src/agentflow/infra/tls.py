"""TLS to brokers: who has to prove who they are, and with which certificates."""

import ssl
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

_FILES = {"ssl_ca_certs": "ca_certs", "ssl_certfile": "certfile", "ssl_keyfile": "keyfile"}
"""Parameters of an address as redis-py names them, and what py-amqp calls them."""


def without_files(url: str) -> tuple[str, dict[str, str]]:
    """Split an address into itself and the files of certificates that it names behind its ``?``."""
    parts = urlsplit(url)
    asked = parse_qsl(parts.query, keep_blank_values=True)
    rest = urlencode([(name, value) for name, value in asked if name not in _FILES])
    return parts._replace(query=rest).geturl(), {name: value for name, value in asked if name in _FILES}


def broker_tls(url: str) -> tuple[str, dict[str, Any] | None]:
    """Return the address of a broker for Celery, and its ``broker_use_ssl``; None for an address without TLS.

    Left to itself, Celery takes any certificate of a ``rediss://`` server, and one of any name at ``amqps://``.
    """
    plain, files = without_files(url)
    match urlsplit(url).scheme:
        case "rediss":
            return plain, {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, **files}
        case "amqps":
            # None stands for the name in the address.
            named = {_FILES[name]: value for name, value in files.items()}
            return plain, {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None, **named}
    return url, None


def client_context(url: str) -> ssl.SSLContext:
    """Return what checks the server of an address, and shows it our certificate where the address names one.

    Raises:
        OSError: a file that it names cannot be read.
    """
    files = without_files(url)[1]
    context = ssl.create_default_context(cafile=files.get("ssl_ca_certs"))
    if "ssl_certfile" in files:
        context.load_cert_chain(files["ssl_certfile"], files.get("ssl_keyfile"))
    return context
