"""Where ML Metadata is kept, and what is said where it cannot be reached."""

import contextlib
import socket
import subprocess
import sys
import threading

import pytest
import yaml
from ml_metadata import MetadataStore

from pipeline import lineage, metadata_connection, record
from pipeline.config import Config
from pipeline.config_file import load
from pipeline.errors import ConfigError
from pipeline.metadata_connection import connection, refuse_unreachable
from tests.mariadb import BROKEN, DATABASE, EMPTY, PASSWORD, USER, Server


def config(tmp_path, metadata: str | None) -> Config:
    path = tmp_path / "sluice.yaml"
    raw = {"name": "fraud", "task": "binary", "data": {"source": "x.csv", "label": "k"}}
    path.write_text(yaml.safe_dump({**raw, "run": {"metadata": metadata} if metadata else {}}))
    return load(path, local_files=False)


def refused(tmp_path, metadata: str) -> str:
    with pytest.raises(ConfigError) as caught:
        refuse_unreachable(config(tmp_path, metadata))
    (problem,) = caught.value.problems
    assert str(caught.value).startswith("ML Metadata cannot be reached\n")
    return problem


def test_without_a_key_it_is_a_file_beside_the_artifacts(tmp_path):
    found = connection(config(tmp_path, None))
    assert found.sqlite.filename_uri == f"{tmp_path}/runs/fraud/artifacts/{record.METADATA}"
    refuse_unreachable(config(tmp_path, None))


def test_a_url_names_user_host_port_and_database_and_never_the_password(tmp_path, monkeypatch):
    monkeypatch.setenv("MYSQL_PWD", PASSWORD)
    found = connection(config(tmp_path, "mysql://a%40b@db.example:3307/ml-1")).mysql
    assert (found.user, found.host, found.port, found.database) == ("a@b", "db.example", 3307, "ml-1")
    assert not found.password
    assert found.skip_db_creation
    # MySQL's library takes `localhost` for its socket, whatever the port.
    plain = connection(config(tmp_path, "mysql://u@localhost/ml")).mysql
    assert (plain.host, plain.port) == ("127.0.0.1", 3306)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u@h:1/d", "another scheme"),
        ("metadata.sqlite", "no scheme"),
        ("mysql://h:1/d", "no user, no host, or no database"),
        ("mysql://u@/d", "no user, no host, or no database"),
        ("mysql://u@h:1", "no user, no host, or no database"),
        ("mysql://u@h:1/a/b", "no user, no host, or no database"),
        ("mysql://u@h:1/d?ssl=1", "something behind the database"),
        ("mysql://u@h:port/d", "a port that is none"),
        ("mysql://u@h:99999/d", "a port that is none"),
    ],
)
def test_a_wrong_url_is_a_mistake_of_the_configuration(tmp_path, url, expected):
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, url)
    (problem,) = caught.value.problems
    assert problem == f"run.metadata: expected mysql://user@host:port/database, got {expected}"


@pytest.mark.parametrize("url", ["mysql://u:hidden@h:1/d", "mysql://u:@h/d", "mysql://u:hidden@h:port"])
def test_a_password_is_refused(tmp_path, url):
    with pytest.raises(ConfigError, match="the password in the environment variable MYSQL_PWD") as caught:
        config(tmp_path, url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["postgresql://u:hidden@h/d", "mysql://u:hidden/x@h:1/d", "mysql://u:1/hidden@h"]
)
def test_what_may_be_a_password_is_not_repeated(tmp_path, url):
    with pytest.raises(ConfigError, match=r"run\.metadata: expected mysql") as caught:
        config(tmp_path, url)
    assert "hidden" not in str(caught.value)


def test_no_server_and_another_server_are_told_apart(tmp_path):
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port = line.getsockname()[1]
        problem = refused(tmp_path, f"mysql://u@127.0.0.1:{port}/d")
        assert problem.startswith(f"run.metadata: no MySQL server answers at 127.0.0.1:{port} (")
        line.listen()

        def hang_up():
            line.accept()[0].close()

        caller = threading.Thread(target=hang_up)
        caller.start()
        problem = refused(tmp_path, f"mysql://u@127.0.0.1:{port}/d")
        caller.join()
        assert problem == f"run.metadata: what answers at 127.0.0.1:{port} is no MySQL server"
    assert "no MySQL server answers at nowhere.invalid:3306 (" in refused(
        tmp_path, "mysql://u@nowhere.invalid/d"
    )


def test_a_wrong_password_and_a_missing_database_are_told_apart(tmp_path, mysql: Server, monkeypatch):
    monkeypatch.setenv("MYSQL_PWD", PASSWORD)
    refuse_unreachable(config(tmp_path, mysql.url()))
    problem = refused(tmp_path, mysql.url("lineaeg"))
    assert f"there is no database lineaeg, or {USER} has no right to it" in problem
    assert "CREATE DATABASE `lineaeg`" in problem
    for password in ("wrong", ""):
        monkeypatch.setenv("MYSQL_PWD", password)
        problem = refused(tmp_path, mysql.url())
        assert f"the server at 127.0.0.1:{mysql.port} does not let {USER} in; look at the password" in problem
        assert "MYSQL_PWD" in problem


def test_several_first_runs_at_once_find_or_make_the_tables(tmp_path, mysql: Server, monkeypatch):
    monkeypatch.setenv("MYSQL_PWD", PASSWORD)
    config(tmp_path, mysql.url(EMPTY))
    code = (
        "import sys\n"
        "from ml_metadata import metadata_store\n"
        "from pipeline.config_file import load\n"
        "from pipeline.metadata_connection import refuse_unreachable\n"
        "config = load(sys.argv[1], local_files=False)\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
        "refuse_unreachable(config)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "sluice.yaml")]
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
                )
            )
            for _ in range(3)
        ]
        for one in running:
            one.stdout.readline()
        for one in running:
            one.stdin.close()
        said = [one.stderr.read().decode() for one in running]
    assert [one.returncode for one in running] == [0, 0, 0], said


def test_tables_that_were_left_half_made_are_named(tmp_path, mysql: Server, monkeypatch):
    monkeypatch.setenv("MYSQL_PWD", PASSWORD)
    monkeypatch.setattr(metadata_connection, "_PAUSE_S", 0.0)
    broken = mysql.url(BROKEN)
    refuse_unreachable(config(tmp_path, broken))
    mysql.sql(BROKEN, "DROP TABLE Attribution")
    assert "the database broken holds a part of ML Metadata's tables" in refused(tmp_path, broken)


def test_lineage_is_read_from_whichever_it_is(tmp_path, mysql: Server, monkeypatch):
    monkeypatch.setenv("MYSQL_PWD", PASSWORD)
    where = connection(config(tmp_path, mysql.url(DATABASE)))
    MetadataStore(where)
    assert lineage.outputs(where, "no such run") == {}
    assert lineage.undone(where, "no such run") == {}
    assert lineage.newest_execution(where) == 0
