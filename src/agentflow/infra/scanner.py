"""Looking for malware in files that people send: ClamAV's daemon, by its protocol (`man clamd`, command INSTREAM)."""

import asyncio
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import urlsplit

import structlog

from agentflow.errors import AgentFlowError, Kind, Unavailable

log = structlog.get_logger(__name__)

TIMEOUT_S = 60.0
"""Seconds that a file may take, archives are opened too."""
_CONNECT_S = 5.0
_CHUNK = 65_536
_PORT = 3310


class ScannerAddressInvalid(AgentFlowError):
    """The address of the scanner cannot be read."""

    kind, code, title = Kind.INVALID, "SCANNER_ADDRESS_INVALID", "Address of the malware scanner invalid"


class MalwareFound(AgentFlowError):
    """A file holds something that the scanner knows as malware; nothing of it was kept."""

    kind, code, title = Kind.INVALID, "MALWARE_FOUND", "Malware found"


class ScannerUnavailable(Unavailable):
    """The scanner gave no verdict, and without one no file is taken."""

    code, title = "SCANNER_UNAVAILABLE", "Malware scanner unavailable"


class Scanner:
    """Asks a ClamAV daemon about files.

    Args:
        address: ``tcp://host:3310`` or ``unix:///path/of/the/socket``.

    Raises:
        ScannerAddressInvalid: it is neither.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if not (parts.scheme == "tcp" and parts.hostname) and not (parts.scheme == "unix" and parts.path):
            raise ScannerAddressInvalid(
                f"AGENTFLOW_MALWARE_SCANNER is {address}.", hint="Write tcp://host:3310 or unix:///run/clamav/clamd.ctl."
            )
        self._path = parts.path if parts.scheme == "unix" else None
        self._host, self._port = parts.hostname, parts.port or _PORT

    async def scan(self, file: BinaryIO) -> None:
        """Have a file looked at, from its begin to its end; it is left at its begin.

        Raises:
            MalwareFound: something is in it.
            ScannerUnavailable: the daemon gave no verdict.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                verdict = await self._ask(file)
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            raise _no_verdict(str(error) or "it took too long") from error
        finally:
            file.seek(0)
        if verdict.endswith(" FOUND"):
            found = verdict.removeprefix("stream: ").removesuffix(" FOUND")
            log.warning("malware was sent", found=found)
            raise MalwareFound(f"The file holds malware: {found}.", hint="Nothing of it was kept.")
        if verdict != "stream: OK":
            raise _no_verdict(verdict)

    async def _ask(self, file: BinaryIO) -> str:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await (
                asyncio.open_connection(self._host, self._port) if self._path is None else asyncio.open_unix_connection(self._path)
            )
        try:
            writer.write(b"zINSTREAM\0")
            for chunk in _chunks(file):
                writer.write(len(chunk).to_bytes(4, "big") + chunk)
                await writer.drain()
            writer.write(bytes(4))
            await writer.drain()
            return (await reader.readuntil(b"\0"))[:-1].decode(errors="replace").strip()
        finally:
            writer.close()


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(_CHUNK):
        yield chunk


def _no_verdict(why: str) -> ScannerUnavailable:
    log.warning("the malware scanner gave no verdict", reason=why)
    return ScannerUnavailable("The malware scanner gave no verdict, so the file was not taken.", hint="Try again later.", retry_after_s=10)
