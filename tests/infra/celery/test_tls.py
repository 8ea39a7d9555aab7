"""Brokers behind TLS: both sides prove who they are, and nobody talks to a broker that cannot."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from agentflow.infra.celery.backlog import waiting_hints
from agentflow.infra.observability.probes import broker_probe
from agentflow.kit.ids import new_id
from tests.acceptance.cluster import BROKERS
from tests.support.tls_proxy import tls_before


def secure(url: str, port: int, authority: trustme.CA, folder: Path) -> str:
    """Return the address of a broker behind TLS, with the files that it takes."""
    mine = authority.issue_cert("agentflow")
    mine.cert_chain_pems[0].write_to_path(str(folder / "client.crt"))
    mine.private_key_pem.write_to_path(str(folder / "client.key"))
    authority.cert_pem.write_to_path(str(folder / "root.crt"))
    parts = urlsplit(url)
    files = f"ssl_ca_certs={folder / 'root.crt'}&ssl_certfile={folder / 'client.crt'}&ssl_keyfile={folder / 'client.key'}"
    place = parts.netloc.replace(f":{parts.port}", f":{port}")
    return parts._replace(scheme=f"{parts.scheme}s", netloc=place, query=files).geturl()


@pytest.mark.parametrize("broker", BROKERS)
async def test_both_sides_show_certificates(broker: str, tmp_path: Path) -> None:
    """The files stand in the address, for the hints of a cluster and for what asks whether the broker is there."""
    authority = trustme.CA()
    async with tls_before(urlsplit(BROKERS[broker]).port or 0, authority) as port:
        url = secure(BROKERS[broker], port, authority, tmp_path)
        assert await asyncio.to_thread(waiting_hints, url, new_id()) == 0
        await broker_probe(url)()


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("fault", ["another authority", "another name"])
async def test_a_broker_that_cannot_prove_who_it_is_is_refused(broker: str, fault: str, tmp_path: Path) -> None:
    """Its certificate is of somebody else, or made by somebody whom nobody trusts."""
    authority = trustme.CA()
    name = "somebody.example.com" if fault == "another name" else "127.0.0.1"
    async with tls_before(urlsplit(BROKERS[broker]).port or 0, authority, name) as port:
        url = secure(BROKERS[broker], port, authority, tmp_path)
        if fault == "another authority":
            trustme.CA().cert_pem.write_to_path(str(tmp_path / "root.crt"))
        with pytest.raises(OSError, match="certificate verify failed"):
            await asyncio.to_thread(waiting_hints, url, new_id())
        with pytest.raises(Exception, match="certificate verify failed"):
            await broker_probe(url)()
