"""The compiled demo, container by container: pushed, refused, and changed when a run is started."""

import json
import subprocess
from typing import Any

import pandas as pd
import pytest

from tests.components.pusher.models import held
from tests.end_to_end.conftest import ROOT, Home, make_home
from tests.kubeflow.cluster import Cluster, Run
from tests.kubeflow.conftest import Compiled, bytes_of, compile_for_kubeflow

pytestmark = pytest.mark.slow

JUDGED = {"Evaluator", "Verdict", "ModelGate"}
CONTRACT = f"--set=schema={ROOT}/schema/demo.pbtxt"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("kubeflow"))


@pytest.fixture(scope="module")
def compiled(home: Home) -> Compiled:
    # The data does not change while these tests run, so Ingest may be cached.
    settings = "--set=kubeflow={cache: {Ingest: true}, retries: {default: 1, Trainer: 0}}"
    return compile_for_kubeflow(home, "demo", settings, CONTRACT)


@pytest.fixture(scope="module")
def cluster(home: Home) -> Cluster:
    return Cluster(home.path / "root")


@pytest.fixture(scope="module")
def local(home: Home) -> subprocess.CompletedProcess[str]:
    done = home.sluice("run", "pipeline/configs/demo.yaml", CONTRACT)
    assert done.returncode == 0, done.stdout
    return done


@pytest.fixture(scope="module")
def first(cluster: Cluster, compiled: Compiled) -> Run:
    run = cluster.run(compiled.specification)
    assert run.failed == [], run.ended[run.failed[0]].log
    return run


def verdict_of(run: Run) -> dict[str, Any]:
    return json.loads((run.artifact("Verdict", "blessing") / "verdict.json").read_text())


def test_every_step_is_a_container_and_the_model_is_pushed(first, compiled):
    assert set(first.ended) == set(compiled.specification.steps)
    assert first.cached == set()
    assert "epoch 5/5  loss" in first.ended["Trainer"].log
    (version,) = compiled.versions("demo")
    trained = first.artifact("Trainer", "model") / "Format-Serving"
    assert held(version) == held(trained)
    pushed = first.outputs["Pusher"]["pushed_model"].metadata
    assert (pushed["pushed_version"], pushed["pushed_destination"]) == (version.name, str(version))


def test_examples_and_verdict_are_those_of_a_local_run(first, home, local):
    alone = home.artifact("demo", "Ingest", "examples")
    assert bytes_of(first.artifact("Ingest", "examples")) == bytes_of(alone)
    assert verdict_of(first)["blessed"]
    ours, theirs = verdict_of(first)["decisions"], home.json("demo", "verdict.json")["decisions"]
    said = ("gate", "metric", "slice", "passed", "examples", "bound")
    assert [[one[key] for key in said] for one in ours] == [[one[key] for key in said] for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one["value"] == pytest.approx(other["value"], abs=1e-6)


def test_other_bounds_at_the_start_refuse_the_model_and_judge_it_beside_the_pushed_one(
    first, cluster, compiled
):
    before = compiled.versions("demo")
    run = cluster.run(compiled.specification, thresholds="[{metric: recall_macro, min: 0.999}]")
    assert run.failed == ["ModelGate"]
    assert run.ended["ModelGate"].statuses == (4,), "a gate that refused is not asked again"
    assert run.ended["ModelGate"].log.endswith("below the bound 0.999\n"), (
        "the reason is the last that the log of the step says"
    )
    assert not {"Servability", "ServabilityGate", "Pusher"} & run.ended.keys()
    assert compiled.versions("demo") == before
    assert set(run.ended) == {"LastBlessed", "ClassCheck", *JUDGED}, "all else is from the cache"
    assert held(run.artifact("LastBlessed", "model") / "Format-Serving") == held(before[-1])
    verdict = verdict_of(run)
    assert [one["metric"] for one in verdict["decisions"] if one["gate"] == "value"] == ["recall_macro"]
    (drop,) = (one for one in verdict["decisions"] if one["gate"] == "drop")
    assert (drop["value"], drop["passed"]) == (drop["baseline"], True), "it is the same model"


def test_refused_data_ends_at_the_gate_and_nothing_runs_behind_it(cluster, compiled, tmp_path, home):
    table = pd.read_csv(home.path / "data" / "demo.csv")
    table.loc[table["sequence_id"] >= "s0990", "label"] = "sideways"
    table.to_csv(tmp_path / "leaky.csv", index=False)
    run = cluster.run(compiled.specification, source=f"{tmp_path}/*.csv")
    assert run.failed == ["DataGate"]
    assert run.ended["DataGate"].statuses == (3,)
    assert "label-domain (eval, label)" in run.ended["DataGate"].log.splitlines()[-1]
    assert run.ended.keys() | run.cached == {
        "Ingest", "StatisticsGen", "ImportSchemaGen", "ExampleValidator", "Auditor", "DataGate",
    }  # fmt: skip
    (found,) = (run.artifact("Auditor", "findings") / "Split-eval").iterdir()
    assert found.name == "SchemaDiff.pb"


def test_a_step_that_fails_is_started_again_and_says_why(cluster, compiled):
    run = cluster.run(compiled.specification, source="/nowhere/*.csv")
    assert run.failed == ["Ingest"]
    assert run.ended["Ingest"].statuses == (2, 2)
    assert run.ended["Ingest"].log.endswith("data.source: no file matches /nowhere/*.csv\n")
    assert set(run.ended) == {"Ingest"}
