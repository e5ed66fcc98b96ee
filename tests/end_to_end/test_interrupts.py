"""Runs that are interrupted or killed, and the ones that go on after them."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

import pytest

from benchmarks.kills import outcome
from pipeline.config_file import load
from tests.end_to_end.conftest import SLUICE, Home, make_home
from tests.end_to_end.test_demo import STAGES

pytestmark = pytest.mark.slow

CONFIG = "pipeline/configs/demo.yaml"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_130_and_the_next_run_works(tmp_path, sent):
    home = make_home(tmp_path)
    command = [SLUICE, "run", "pipeline/configs/demo.yaml"]
    with subprocess.Popen(
        command, cwd=home.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        begun = home.path / "runs" / "demo" / "artifacts" / "Transform"
        while not begun.exists() and running.poll() is None:
            time.sleep(0.05)
        time.sleep(1)  # well inside Transform
        os.kill(running.pid, sent)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, out + err
    assert "interrupted: nothing was pushed" in out
    assert "Traceback" not in out + err
    run = home.json("demo", "run.json")
    # A library may swallow the interrupt; then the stage ends, and no other one begins.
    assert (run["exit_code"], run["stages"][-1]["name"]) == (130, "Transform")
    assert home.versions("demo") == []
    assert home.sluice("runs").stdout.split()[2] == "interrupted"
    again = home.sluice("run", "pipeline/configs/demo.yaml")
    assert again.returncode == 0, again.stdout
    assert [stage["cached"] for stage in home.json("demo", "run.json")["stages"]][:5] == [True] * 5


def killed_at(
    home: Home, line: str, meanwhile: Callable[[], None] = lambda: None, options: Sequence[str] = ()
) -> str:
    """Runs the demo, kills it with all its processes when it has said something, and gives what it said."""
    command = [SLUICE, "run", CONFIG, *options]
    with subprocess.Popen(
        command, cwd=home.path, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stdout is not None
        said = ""
        for one in running.stdout:
            said += one
            if line in one:
                break
        meanwhile()
        os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL, said
    return said


def begins(home: Home, stage: str) -> None:
    """Waits until a stage has folders for its outputs."""
    for _ in range(1200):
        if any((home.path / "runs" / "demo" / "artifacts" / stage).glob("[!.]*/*")):
            return
        time.sleep(0.05)
    raise AssertionError(f"{stage} has not begun")


def test_a_run_killed_again_and_again_gives_what_an_undisturbed_one_gives(tmp_path):
    home, whole = make_home(tmp_path / "killed"), make_home(tmp_path / "whole")
    config, other = (load(one.path / CONFIG) for one in (home, whole))

    def start_another() -> None:
        begins(home, "Transform")
        refused = home.sluice("run", CONFIG)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "runs/demo: another run is at work there" in refused.stderr
        assert len(home.sluice("runs").stdout.splitlines()) == 1

    killed_at(home, "DataGate", start_another)
    left = "\n".join(outcome.faults(config))
    assert re.search(r"execution \d+ is running", left)
    assert re.search(r"Transform/\S+ is left over", left)
    assert "killed in Transform\n  finished: Ingest, StatisticsGen," in home.sluice("why").stdout

    said = killed_at(home, "epoch 2/5")
    assert "was killed in Transform: what it had finished is taken over" in said
    assert re.findall(r"(\w+) +cached", said) == STAGES[:6]

    said = killed_at(home, "Servability")  # so in its gate, or in Pusher
    assert re.search(r"going on after epoch [2345], which an earlier run had finished", said)
    assert "epoch 2/5" not in said

    last = home.sluice("run", CONFIG)
    assert last.returncode == 0, last.stdout
    assert re.findall(r"(\w+) +cached", last.stdout)[:8] == STAGES[:8]
    assert list(outcome.faults(config)) == []
    statuses = [line.split()[2] for line in home.sluice("runs").stdout.splitlines()]
    assert statuses == ["pushed", "killed", "killed", "killed"]

    assert whole.sluice("run", CONFIG).returncode == 0
    assert outcome.of_run(config) == outcome.of_run(other)
