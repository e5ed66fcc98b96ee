"""Runs whose ML Metadata is in a database that they share, of Debian's MariaDB."""

import subprocess

import pytest

from pipeline import lineage, record
from pipeline.config_file import load
from pipeline.metadata_connection import connection
from tests.end_to_end.conftest import SLUICE, make_home
from tests.end_to_end.test_demo import LOOKED_UP, STAGES, cached
from tests.end_to_end.test_interrupts import begins, killed_at
from tests.mariadb import EMPTY, PASSWORD, Server

pytestmark = pytest.mark.slow

CONFIG = "pipeline/configs/demo.yaml"


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("MYSQL_PWD", PASSWORD)


def test_a_run_goes_on_after_a_kill_is_cached_and_has_its_lineage_there(tmp_path, mysql: Server):
    home, where = make_home(tmp_path), ("--set", f"run.metadata={mysql.url()}")
    config = load(home.path / CONFIG, [where[1]])
    metadata = connection(config)

    killed_at(home, "DataGate", lambda: begins(home, "Transform"), where)
    (killed,) = record.runs(home.path / "runs" / "demo")
    name = record.read(killed, record.RUN)["metadata_run"]
    assert list(lineage.undone(metadata, name).values()) == ["Transform"]

    first = home.sluice("run", CONFIG, *where)
    assert first.returncode == 0, first.stdout + first.stderr
    assert cached(home) == set(STAGES[:6])
    assert len(home.versions("demo")) == 1
    run = home.json("demo", "run.json")
    found = lineage.outputs(metadata, run["metadata_run"])
    assert found["Pusher"]["pushed_model"].properties["pushed_version"] == run["pushed"]["version"]
    assert set(STAGES) - set(found) == {"DataGate", "LastBlessed", "ModelGate", "ServabilityGate"}

    assert home.sluice("run", CONFIG, *where).returncode == 0
    assert cached(home) == set(STAGES) - LOOKED_UP
    assert home.versions("demo") == [run["pushed"]["version"]]
    version = home.sluice("versions", CONFIG).stdout
    assert f"run {run['run_id']}, " in version

    assert not (home.path / "runs" / "demo" / "artifacts" / "metadata.sqlite").exists()
    written = [path for path in (home.path / "runs").rglob("*") if path.is_file()]
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]

    back = home.sluice("run", CONFIG)  # to SQLite, where none of these results is known
    assert back.returncode == 2
    assert "the artifacts are not those of this ML Metadata" in back.stdout


def test_two_runs_at_once_in_an_empty_database_end_well(tmp_path, mysql: Server):
    home = make_home(tmp_path)
    command = [SLUICE, "check", CONFIG, "--set", f"run.metadata={mysql.url(EMPTY)}"]
    running = [
        subprocess.Popen(
            [*command, "--set", f"run.root={root}"], cwd=home.path, stdout=subprocess.PIPE, text=True
        )
        for root in ("one", "other")
    ]
    said = [one.communicate()[0] for one in running]
    assert [one.returncode for one in running] == [0, 0], said
    for root, text in zip(("one", "other"), said, strict=True):
        assert "cached" not in text
        config = load(home.path / CONFIG, [f"run.metadata={mysql.url(EMPTY)}", f"run.root={tmp_path / root}"])
        run = record.read((tmp_path / root / "demo" / "latest"), record.RUN)
        found = lineage.outputs(connection(config), run["metadata_run"])
        assert found["Ingest"]["examples"].uri.startswith(f"{tmp_path / root}/")
