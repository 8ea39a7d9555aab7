"""MariaDB (or MySQL): the one that listens, else a private server of the Debian package."""

import asyncio
import shutil
import subprocess
from urllib.parse import urlsplit

from scripts.services.base import Missing, Service, Workspace, free_port, own_folder, package_binary, unprivileged, wait_until


def usable(url: str) -> bool:
    """Tell whether we may log in and use the database."""
    from asyncmy.errors import MySQLError

    try:
        asyncio.run(_visit(url, "SELECT 1"))
    except (OSError, MySQLError, TimeoutError):
        return False
    return True


async def _visit(url: str, statement: str) -> None:
    import asyncmy

    place = urlsplit(url)
    connection = await asyncmy.connect(
        host=place.hostname,
        port=place.port,
        user=place.username,
        password=place.password or "",
        db=place.path.strip("/"),
        connect_timeout=3,
    )
    async with connection.cursor() as cursor:
        await cursor.execute(statement)
    connection.close()


def start(workspace: Workspace) -> str:
    """Start a private server with a database ``test`` and return its URL."""
    program = package_binary("mariadbd", "mariadb-server")
    install = shutil.which("mariadb-install-db") or "/usr/bin/mariadb-install-db"
    user = unprivileged("mysql")
    folder = own_folder(workspace, "mariadb", user)
    data, log, port = folder / "data", workspace.folder / "mariadb.log", free_port()
    created = subprocess.run(
        [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-name-resolve"],
        user=user, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if created.returncode != 0:
        raise Missing(f"mariadb-install-db failed: {(created.stderr or created.stdout).strip()[-300:]}")
    options = (
        f"--datadir={data}",
        "--character-set-server=utf8mb4",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={folder}/socket",
        f"--pid-file={folder}/pid",
    )
    process = workspace.spawn([program, "--no-defaults", *options], user=user, log=log)
    # mariadb-install-db makes the database `test` itself, for Latin letters only.
    url = f"mysql://root@127.0.0.1:{port}/test"
    wait_until(lambda: usable(url), process, name="MariaDB", log=log)
    asyncio.run(_visit(url, "ALTER DATABASE test CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"))
    return url


SERVICE = Service(
    name="MariaDB",
    variable="AGENTFLOW_TEST_MYSQL_URL",
    urls=("mysql://root@127.0.0.1:3306/test",),
    usable=usable,
    start=start,
    tests="everything on MySQL and MariaDB",
)
