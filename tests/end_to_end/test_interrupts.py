"""Runs that are interrupted or killed, and the ones that go on after them."""

import os
import signal
import subprocess
import time

import pytest

from tests.end_to_end.conftest import SLUICE, make_home

pytestmark = pytest.mark.slow


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


def test_a_training_that_was_killed_goes_on_after_its_last_epoch(tmp_path):
    home = make_home(tmp_path)
    command = [SLUICE, "run", "pipeline/configs/demo.yaml", "--set=training.epochs=8"]
    with subprocess.Popen(command, cwd=home.path, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "epoch 3/8" in line:
                break
        running.kill()
    again = home.sluice(*command[1:])
    assert again.returncode == 0, again.stdout
    assert "going on after epoch 3" in again.stdout or "going on after epoch 4" in again.stdout
    assert "epoch 2/8" not in again.stdout
    epochs = home.json("demo", "run.json")["training"]["epochs"]
    other = make_home(tmp_path / "whole")
    assert other.sluice(*command[1:]).returncode == 0
    assert other.json("demo", "run.json")["training"]["epochs"] == epochs
    assert not (home.path / "runs" / "demo" / "artifacts" / "Trainer" / "unfinished").exists()
