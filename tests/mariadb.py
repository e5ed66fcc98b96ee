"""A MariaDB server of a test's own, on loopback."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "sluice", "no-secret-elsewhere"
DATABASE, EMPTY, BROKEN = (
    "lineage",
    "empty",
    "broken",
)  # the others for tests that want nothing, or a part, there
_WHERE = f"{os.environ.get('PATH', '')}:/usr/sbin"
_INIT = "".join(
    [
        f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n",
        *(
            f"CREATE DATABASE {name};\nGRANT ALL ON {name}.* TO '{USER}'@'127.0.0.1';\n"
            for name in (DATABASE, EMPTY, BROKEN)
        ),
    ]
)


@dataclass(frozen=True)
class Server:
    """Where it listens; the password is `PASSWORD`."""

    port: int

    def url(self, database: str = DATABASE) -> str:
        return f"mysql://{USER}@127.0.0.1:{self.port}/{database}"

    def sql(self, database: str, statement: str) -> None:
        """Does something to a database."""
        where = ["--no-defaults", "--host=127.0.0.1", f"--port={self.port}", f"--user={USER}", database]
        environment = {**os.environ, "MYSQL_PWD": PASSWORD}
        subprocess.run([_program("mariadb"), *where, f"--execute={statement}"], check=True, env=environment)


def missing() -> str | None:
    """Why there can be no server here."""
    for program in ("mariadbd", "mariadb-install-db", "mariadb"):
        if shutil.which(program, path=_WHERE) is None:
            return f"{program} is not installed (Debian: apt-get install mariadb-server)"
    return None


@contextmanager
def server() -> Iterator[Server]:
    """Starts a server with a database and a user that may use it, and ends it."""
    # Not below pytest's own folder, which only its user may enter: root starts the server as somebody else.
    with tempfile.TemporaryDirectory(prefix="mariadb-") as home:
        account = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        Path(home, "init.sql").write_text(_INIT, encoding="utf-8")
        if account:
            os.chown(home, account.pw_uid, account.pw_gid)
        common = ["--no-defaults", f"--datadir={home}/data"]
        install = [_program("mariadb-install-db"), *common, "--skip-test-db"]
        subprocess.run(install, check=True, capture_output=True, **as_user)
        port = _free_port()
        options = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={home}/socket"]
        options += [f"--pid-file={home}/pid", f"--init-file={home}/init.sql", "--skip-name-resolve"]
        with Path(home, "log").open("wb") as log:
            process = subprocess.Popen(
                [_program("mariadbd"), *common, *options], stdout=log, stderr=log, **as_user
            )
        try:
            _wait(port, process, Path(home, "log"))
            yield Server(port)
        finally:
            process.terminate()
            process.wait(60)


def _program(name: str) -> str:
    found = shutil.which(name, path=_WHERE)
    assert found is not None, name
    return found


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text(errors="replace")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                if connection.recv(1):  # it listens, and has done what is in its init file
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace"))
