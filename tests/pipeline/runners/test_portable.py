"""Beam's own job server and an external worker, as docs/beam.md starts them."""

import sys
from pathlib import Path

import pytest

from pipeline.runners.processes import Process, answers, free_ports, wait_for
from tests.end_to_end.conftest import make_home
from tests.end_to_end.test_runners import examples

pytestmark = pytest.mark.slow

DEMO = "pipeline/configs/demo.yaml"


@pytest.fixture
def beam_args(tmp_path):
    """A job server, and a worker pool that starts this Python as `python`."""
    jobs, pool = free_ports(2)
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    serve = ["-m", "apache_beam.runners.portability.local_job_service_main", "--port", str(jobs)]
    work = ["-m", "apache_beam.runners.worker.worker_pool_main", "--service_port", str(pool)]
    with (
        Process([sys.executable, *serve, "--staging_dir", str(tmp_path / "staging")], tmp_path / "jobs.log"),
        Process([sys.executable, *work], tmp_path / "pool.log", path) as last,
    ):
        wait_for("Beam's job server and worker pool", lambda: answers(jobs) and answers(pool), [last], 60)
        yield [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{jobs}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{pool}",
        ]


def test_an_external_worker_comes_to_the_same_examples_and_findings(tmp_path, beam_args):
    home, other = make_home(tmp_path / "home"), make_home(tmp_path / "other")
    for one, where in ((home, ()), (other, ("--", *beam_args))):
        done = one.sluice("check", DEMO, *where)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Starting worker" in (tmp_path / "pool.log").read_text()
    assert examples(other) == examples(home)
    assert other.json("demo", "validation.json") == home.json("demo", "validation.json")
