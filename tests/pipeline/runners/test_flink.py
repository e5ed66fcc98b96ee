"""What runs on a Flink cluster comes to the same as in this process, also when a part of the cluster dies."""

import os
import re
import signal
import subprocess
import sys

import pytest

from pipeline.runners import flink
from pipeline.runners.processes import answers, wait_for
from tests.end_to_end.conftest import SLUICE, Home, make_home
from tests.end_to_end.test_runners import assert_same, examples

pytestmark = pytest.mark.slow

DEMO, VOWELS = "pipeline/configs/demo.yaml", "pipeline/configs/japanese_vowels.yaml"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The demo's data, judged in this process."""
    made = make_home(tmp_path_factory.mktemp("home"))
    done = made.sluice("check", DEMO)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.mark.long
def test_the_demo_comes_to_the_same(tmp_path, cluster):
    here, other = make_home(tmp_path / "here"), make_home(tmp_path / "other")
    for one, where in ((here, ()), (other, ("--", *cluster.beam_args))):
        done = one.sluice("run", DEMO, *where)
        assert done.returncode == 0, done.stdout + done.stderr
    assert_same(here, other, "demo")
    jobs = cluster.ask("jobs/overview")["jobs"]
    assert len(jobs) >= 6  # Ingest, StatisticsGen, Auditor, Transform, both Evaluators
    assert {job["state"] for job in jobs} == {"FINISHED"}


@pytest.mark.long
def test_real_sequences_come_to_the_same(tmp_path, cluster, shared_data):
    here, other = make_home(tmp_path / "here"), make_home(tmp_path / "other")
    data = shared_data("japanese_vowels")
    changed = [
        f"--set=data.source.train={data}/JapaneseVowels_TRAIN.ts",
        f"--set=data.source.eval={data}/JapaneseVowels_TEST.ts",
        "--set=training={epochs: 3, learning_rate: 0.01}",
        "--set=gate={thresholds: [{metric: accuracy, min: 0.5}], beat_trivial_by: null}",  # three epochs
    ]
    for one, where in ((here, ()), (other, ("--", *cluster.beam_args))):
        done = one.sluice("run", VOWELS, *changed, *where)
        assert done.returncode == 0, done.stdout + done.stderr
    assert_same(here, other, "japanese_vowels")


def test_refused_data_is_refused(tmp_path, cluster):
    home = make_home(tmp_path)
    with (home.path / "data" / "demo.csv").open("a", encoding="utf-8") as file:
        file.write("s9999,0,no number,1,1,1,1,peak\n")
    done = home.sluice("check", DEMO, "--", *cluster.beam_args)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "no number" in done.stdout
    assert not list((home.path / "runs").rglob("*.gz"))


def test_a_task_manager_that_dies_in_the_middle_changes_nothing(tmp_path, home, cluster):
    other, before = make_home(tmp_path), jobs(cluster)
    command = [SLUICE, "check", DEMO, "--", *cluster.beam_args]
    with subprocess.Popen(command, cwd=other.path, stdout=subprocess.PIPE, text=True) as running:
        hit = wait_for_job(cluster, before)
        cluster.task_managers[-1].kill()
        out, _ = running.communicate(timeout=400)
    assert running.returncode == 0, out
    assert cluster.ask(f"jobs/{hit}/exceptions")["exceptionHistory"]["entries"]  # it was in the middle
    assert examples(other, "demo") == examples(home, "demo")
    assert other.json("demo", "validation.json") == home.json("demo", "validation.json")
    assert not list(other.path.rglob("unfinished-*"))
    cluster.start_task_manager()
    wait_for("a new task manager", lambda: cluster.ask("overview")["taskmanagers"] == 2, [], 120)


def test_a_cluster_ends_as_a_whole_and_takes_its_files_with_it(tmp_path, cluster):
    del cluster  # says whether this machine can have one
    command = [sys.executable, "-m", "pipeline.runners.flink", "--workers=1", f"--logs={tmp_path}"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stdout is not None
        arguments = running.stdout.readline().split()
        ports = [int(found) for found in re.findall(r"localhost:(\d+)", " ".join(arguments))]
        assert len(ports) == 2
        assert all(answers(port) for port in ports)
        assert list(tmp_path.glob("flink-*"))
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=60) == 0
    assert not any(answers(port) for port in ports)
    assert not list(tmp_path.glob("flink-*"))
    assert {path.name for path in tmp_path.glob("*.log")} == {
        "job-manager.log",
        "job-server.log",
        "task-manager-0.log",
        "worker-pool.log",
    }


def jobs(cluster: flink.Cluster) -> dict[str, int]:
    """The number of every job, and how many of its tasks run."""
    return {job["jid"]: job["tasks"]["running"] for job in cluster.ask("jobs/overview")["jobs"]}


def wait_for_job(cluster: flink.Cluster, before: dict[str, int]) -> str:
    """The number of a new job that is at work."""
    found: list[str] = []

    def at_work() -> bool:
        found[:] = [job for job, running in jobs(cluster).items() if job not in before and running]
        return bool(found)

    wait_for("a new job", at_work, [], 120)
    return found[0]
