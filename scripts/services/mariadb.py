"""MariaDB (or MySQL): the one that listens, else a private server of the Debian package."""

import asyncio
import shutil
import subprocess
from urllib.parse import urlsplit

from scripts.services.base import Missing, Service, Workspace, free_port, own_folder, package_binary, unprivileged, wait_until


def usable(url: str) -> bool:
    """Tell whether we may log in and use the database."""
    import asyncmy
    from asyncmy.errors import MySQLError

    place = urlsplit(url)

    async def ask() -> None:
        connection = await asyncmy.connect(
            host=place.hostname,
            port=place.port,
            user=place.username,
            password=place.password or "",
            db=place.path.strip("/"),
            connect_timeout=3,
        )
        connection.close()

    try:
        asyncio.run(ask())
    except (OSError, MySQLError, TimeoutError):
        return False
    return True


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
    options = (f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder}/socket", f"--pid-file={folder}/pid")
    process = workspace.spawn([program, "--no-defaults", *options], user=user, log=log)
    # mariadb-install-db makes the database `test` itself.
    url = f"mysql://root@127.0.0.1:{port}/test"
    wait_until(lambda: usable(url), process, name="MariaDB", log=log)
    return url


SERVICE = Service(
    name="MariaDB",
    variable="AGENTFLOW_TEST_MYSQL_URL",
    urls=("mysql://root@127.0.0.1:3306/test",),
    usable=usable,
    start=start,
    tests="everything on MySQL and MariaDB",
)
