"""Beam's own job server and an external worker."""

import pytest

from pipeline.runners import portable
from tests.end_to_end.conftest import make_home
from tests.end_to_end.test_runners import examples

pytestmark = pytest.mark.slow

DEMO = "pipeline/configs/demo.yaml"


def test_an_external_worker_comes_to_the_same_examples_and_findings(tmp_path):
    home, other = make_home(tmp_path / "home"), make_home(tmp_path / "other")
    assert home.sluice("check", DEMO).returncode == 0
    with portable.job_service(tmp_path / "logs") as beam_args:
        done = other.sluice("check", DEMO, "--", *beam_args)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Starting worker" in (tmp_path / "logs" / "worker-pool.log").read_text()
    assert examples(other, "demo") == examples(home, "demo")
    assert other.json("demo", "validation.json") == home.json("demo", "validation.json")
