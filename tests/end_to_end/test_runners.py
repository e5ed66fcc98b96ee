"""The demo by the Beam orchestrator, in worker processes: the same as stage after stage in one process."""

import os
import signal
import subprocess
import time
from typing import Any

import pytest

from tests.end_to_end.conftest import SLUICE, Home, make_home
from tests.end_to_end.test_demo import STAGES

pytestmark = pytest.mark.slow

DEMO = "pipeline/configs/demo.yaml"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("other"))
    done = home.sluice("run", DEMO, "--runner", "beam", "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return home


def examples(home: Home, name: str) -> dict[str, bytes]:
    folder = home.artifact(name, "Ingest", "examples")
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.gz")}


def measured(evaluation: Any) -> dict[str, float]:
    """Every metric of every slice; the bootstrap's intervals are drawn anew each time."""
    return {
        f"{part} {one['slice']} {name}": metric["value"]
        for part in ("slices", "train")
        for one in evaluation[part]
        for name, metric in one["metrics"].items()
    }


def assert_same(home: Home, other: Home, name: str) -> None:
    """Byte for byte the same Examples; the same findings, metrics and decisions; both pushed."""
    assert {path.partition("/")[0] for path in examples(home, name)} == {"Split-train", "Split-eval"}
    assert examples(other, name) == examples(home, name)
    assert other.json(name, "validation.json") == home.json(name, "validation.json")
    metrics, others = (measured(one.json(name, "evaluation.json")) for one in (home, other))
    assert len(metrics) > 100
    assert others == pytest.approx(metrics, abs=1e-6)
    decisions, others = (one.json(name, "verdict.json")["decisions"] for one in (home, other))
    assert len(decisions) == len(others) > 0
    for decision, same in zip(decisions, others, strict=True):
        assert same == {key: pytest.approx(value, abs=1e-6) for key, value in decision.items()}
    assert len(other.versions(name)) == len(home.versions(name)) == 1


def test_it_comes_to_the_same(home, first, other):
    assert_same(home, other, "demo")


def test_every_stage_is_on_record_once(first, other):
    stages = other.json("demo", "run.json")["stages"]
    assert sorted(stage["name"] for stage in stages) == sorted(STAGES)
    assert all(stage["status"] == "done" and not stage["cached"] for stage in stages)


def test_refused_data_ends_a_run_of_the_beam_orchestrator_with_3(tmp_path):
    home = make_home(tmp_path)
    lines = (home.path / "data" / "demo.csv").read_text(encoding="utf-8").splitlines()
    copies = [f"copy{line}" for line in lines[1:]]  # each sequence under another id: on both sides
    (home.path / "data" / "demo.csv").write_text("\n".join([*lines, *copies]), encoding="utf-8")
    done = home.sluice("run", DEMO, "--runner", "beam")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "duplicate-across-splits" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    run = home.json("demo", "run.json")
    assert run["stages"][-1] == {**run["stages"][-1], "name": "DataGate", "status": "failed"}
    assert run["error"].startswith("the data has")


def test_an_interrupt_of_the_beam_orchestrator_ends_with_130(tmp_path):
    home = make_home(tmp_path)
    command = [SLUICE, "run", DEMO, "--runner", "beam"]
    with subprocess.Popen(command, cwd=home.path, stdout=subprocess.PIPE, text=True) as running:
        begun = home.path / "runs" / "demo" / "artifacts" / "Transform"
        while not begun.exists() and running.poll() is None:
            time.sleep(0.05)
        time.sleep(1)  # well inside Transform
        os.kill(running.pid, signal.SIGINT)
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 130, out
    assert "interrupted: nothing was pushed" in out
    assert home.json("demo", "run.json")["exit_code"] == 130
