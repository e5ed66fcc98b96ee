"""Whole runs whose export cannot be served, and one whose export stands alone."""

import json
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def test_what_was_asked_of_the_export_is_on_record(home, first):
    found = home.json("demo", "servability.json")
    assert found["servable"] and all(check["passed"] for check in found["checks"])
    assert "  in TensorFlow Serving's loader: loads in " in first.stdout
    blessing = home.artifact("demo", "Servability", "blessing")
    assert {path.name for path in blessing.iterdir()} == {"INFRA_BLESSED", "servability.json"}


ASK = """
import sys
import numpy as np
from serving.loader.model import Model
ones = {f"f{i}": np.ones([1, 10], np.float32) for i in range(5)}
print(Model(sys.argv[1]).run("sequences", {"lengths": np.array([10]), **ones})["label"][0].decode())
"""


def test_the_pushed_model_needs_nothing_of_the_run(home, first, tmp_path):
    moved = tmp_path / "elsewhere" / "1"
    shutil.copytree(home.newest("demo"), moved)
    artifacts = home.path / "runs" / "demo" / "artifacts"
    hidden = artifacts.rename(artifacts.with_name("hidden"))
    try:
        asked = [sys.executable, "-c", ASK, str(moved)]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=120)
    finally:
        hidden.rename(artifacts)
    assert done.stdout.strip() in ("falling", "peak", "rising"), done.stderr


def test_a_model_beyond_its_budget_ends_with_5_and_is_not_pushed(home, first):
    before = home.versions("demo")
    done = home.sluice("run", "pipeline/configs/demo.yaml", "--set=servability.p99_ms=0.000001")
    assert done.returncode == 5, done.stdout
    assert "model not servable: nothing was pushed" in done.stdout
    assert "latency: p99_ms is" in done.stdout and "above the budget of 1e-06 ms" in done.stdout
    assert home.versions("demo") == before
    run = home.json("demo", "run.json")
    assert (run["status"], run["exit_code"], run["pushed"]) == ("not_servable", 5, None)
    assert run["stages"][-1]["name"] == "ServabilityGate"
    (reason,) = json.loads(home.sluice("why", "--json").stdout)["reasons"]
    assert reason["name"] == "latency"
    blessing = home.artifact("demo", "Servability", "blessing")
    assert (blessing / "INFRA_NOT_BLESSED").is_file()


def test_a_damaged_artifact_is_refused_by_its_file(home, first):
    before = home.versions("demo")
    (weights,) = home.artifact("demo", "Trainer", "model").rglob("variables.data*")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        done = home.sluice("run", "pipeline/configs/demo.yaml", "--set=servability.memory_mb=1000000")
    finally:
        weights.write_bytes(whole)
    assert done.returncode == 5, done.stdout
    assert "files: variables/variables.data-00000-of-00001 (weights) holds other bytes" in done.stdout
    assert home.versions("demo") == before
