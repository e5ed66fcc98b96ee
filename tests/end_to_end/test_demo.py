"""The demo as a user runs it. One run serves many assertions."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sk

from tests.components.pusher.models import held
from tests.end_to_end.conftest import ROOT, Home, make_home
from tests.pipeline.report.cited import Numbers, assert_shown, in_file

pytestmark = pytest.mark.slow


STAGES = [
    "Ingest", "StatisticsGen", "SchemaGen", "ExampleValidator", "Auditor", "DataGate",
    "Transform", "Trainer", "LastBlessed", "TrainEvaluator", "Evaluator", "Verdict", "ModelGate",
    "Servability", "ServabilityGate", "Pusher",
]  # fmt: skip


LOOKED_UP = {"LastBlessed", "Pusher"}  # ask each time what is in ML Metadata, and what is served


# Runs with nothing but the installed packages: no site customisation, no project on the path.
PREDICT = """
import json, sys
sys.path[:0] = [sys.argv[1]]
try:
    import components
    raise SystemExit("the project is on the path")
except ImportError:
    pass
import tensorflow as tf
model = tf.saved_model.load(sys.argv[2])
ask = model.signatures["serving_default"]
records = list(tf.data.TFRecordDataset(sys.argv[3], "GZIP").as_numpy_iterator())
together = ask(tf.constant(records))
alone = [ask(tf.constant([record]))["probabilities"].numpy()[0].tolist() for record in records[:20]]
features = [tf.train.Example.FromString(record).features.feature for record in records]
labels = [feature["label"].bytes_list.value[0].decode() for feature in features]
print(json.dumps({
    "together": together["probabilities"].numpy().tolist(), "alone": alone, "truth": labels,
    "label": [text.decode() for text in together["label"].numpy()],
    "classes": [text.decode() for text in together["classes"].numpy()[0]],
}))
"""


@pytest.fixture(scope="module")
def predictions(home: Home, first: object) -> dict[str, Any]:
    (version,) = home.versions("demo")
    (records,) = (home.artifact("demo", "Ingest", "examples") / "Split-eval").iterdir()
    packages = str(Path(np.__file__).parents[1])
    model = str(home.path / "serving_models" / "demo" / version)
    command = [sys.executable, "-I", "-S", "-c", PREDICT, packages, model, str(records)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_demo_pushes_one_version_and_says_so(home, first):
    lines = first.stdout.splitlines()
    (version,) = home.versions("demo")
    assert version.isdigit()
    assert (home.path / "serving_models" / "demo" / version / "saved_model.pb").is_file()
    assert f"  version {version} is in serving_models/demo/{version}" in lines
    assert [
        line.split()[0] for line in lines if line.startswith("  ") and line.split()[0] in STAGES
    ] == STAGES
    assert any(line.startswith("label=peak") for line in lines)
    assert " why runs/demo/" in lines[-1]
    assert first.stderr == ""
    assert max(map(len, lines)) < 100, "chatter of the libraries is on the screen"


def test_the_run_leaves_a_page_whose_numbers_are_those_of_its_files_and_a_card(home, first):
    run = (home.path / "runs" / "demo" / "latest").resolve()
    assert first.stdout.splitlines()[-2] == f"report: runs/demo/{run.name}/report.html"
    text = (run / "report.html").read_text("utf-8")
    for section in ("outcome", "requirements", "findings", "data", "features", "training", "evaluation",
                    "against", "serving", "reproduction"):  # fmt: skip
        assert f'<section id="{section}"' in text
    cited = [one for one in Numbers(text).found if one[1]]
    assert {place.partition("#")[0] for _, place, _ in cited} == {
        f"{name}.json" for name in ("run", "validation", "statistics", "evaluation", "verdict", "servability")
    }
    for value, place, shown in cited:
        assert float(value) == in_file(run, place), place
        assert_shown(float(value), shown)
    assert text.count('<svg class="plot"') >= 4
    (version,) = home.versions("demo")
    assert f"# demo, version {version}" in (run / "model_card.md").read_text("utf-8")


def test_the_loss_falls_each_epoch_and_the_model_solves_the_demo(home, first):
    run = home.json("demo", "run.json")
    losses = [epoch["loss"] for epoch in run["training"]["epochs"]]
    assert len(losses) == 5
    assert losses == sorted(losses, reverse=True)
    assert all(epoch["seconds"] > 0 for epoch in run["training"]["epochs"])
    assert run["training"]["sequences"] == {"fitted": 720, "held_out": 80}
    assert run["training"]["steps"] == 7200
    overall = home.json("demo", "evaluation.json")["slices"][0]
    assert (overall["slice"], overall["examples"]) == ({}, 200)
    assert overall["metrics"]["accuracy"]["value"] >= 0.87
    curves = home.json("demo", "evaluation.json")["curves"]
    assert set(curves) == {"falling", "peak", "rising"}
    assert all(one["points"][-1][1:] == [one["negatives"], one["positives"]] for one in curves.values())
    assert sum(one["positives"] for one in curves.values()) == 200


def test_the_record_holds_what_the_design_promises(home, first):
    run = home.json("demo", "run.json")
    assert set(run) >= {
        "run_id", "name", "status", "exit_code", "started", "finished",
        "stages", "versions", "pushed", "config",
    }  # fmt: skip
    assert (run["status"], run["exit_code"]) == ("pushed", 0)
    assert [stage["name"] for stage in run["stages"]] == STAGES
    assert all(stage["status"] == "done" and not stage["cached"] for stage in run["stages"])
    assert len(run["pushed"]["sha256"]) == 64
    assert run["config"]["training"]["epochs"] == 5
    validation = home.json("demo", "validation.json")
    assert validation["verdict"] == "pass"
    assert {name: part["sequences"] for name, part in validation["splits"].items()} == {
        "train": 800,
        "eval": 200,
    }
    verdict = home.json("demo", "verdict.json")
    assert verdict["blessed"]
    gates = [decision["gate"] for decision in verdict["decisions"] if decision["passed"]]
    assert gates == ["value"] * 5 + ["overfit"] * 2 + ["trivial", "drop"]
    assert {"there is no blessed model yet: nothing to compare with"} <= {
        decision["reason"] for decision in verdict["decisions"]
    }
    of_train = home.json("demo", "statistics.json")["splits"]["train"]
    assert (of_train["sequences"], of_train["lengths"]["mean"]) == (800, 10)
    assert sum(count for _, count in of_train["labels"]["classes"]) == 800
    assert list(of_train["features"]) == [f"f{place}" for place in range(5)]
    assert len(run["source_fingerprint"]) == 64
    assert set(run["artifacts"]) >= {"Ingest", "StatisticsGen", "Trainer", "Evaluator", "Pusher"}
    examples = run["artifacts"]["Ingest"]["examples"]
    assert examples["type"] == "Examples"
    assert Path(examples["uri"]) == home.artifact("demo", "Ingest", "examples")
    assert (home.path / "runs" / "demo" / "artifacts" / "metadata.sqlite").is_file()
    assert (home.path / "runs" / "demo" / "latest" / "run.log").stat().st_size > 0


def test_the_first_eight_hundred_train_and_the_last_two_hundred_judge(home, first, predictions):
    table = pd.read_csv(home.path / "data" / "demo.csv")
    assert predictions["truth"] == table["label"].to_numpy()[8000::10].tolist()


def test_the_pushed_model_answers_like_the_trainers_without_the_project(home, predictions):
    import keras
    import tensorflow_transform as tft

    from components.trainer.dataset import Data
    from components.trainer.inputs import read_inputs
    from components.trainer.model import Head
    from components.trainer.target import Target

    transform = tft.TFTransformOutput(str(home.artifact("demo", "Transform", "transform_graph")))
    (records,) = (home.artifact("demo", "Transform", "transformed_examples") / "Split-eval").iterdir()
    model = keras.models.load_model(home.artifact("demo", "Trainer", "model_run") / "model.keras")
    classes = tuple(predictions["classes"])
    target = Target(Head("multiclass", len(classes)), classes)
    data = Data([str(records)], transform, read_inputs(transform, "label"), target, "label", 64)
    batches = data.part(None).in_order()
    trained = np.concatenate([model(inputs, training=False)[weight > 0] for inputs, _, weight in batches])
    np.testing.assert_allclose(predictions["together"], trained, atol=1e-5)
    np.testing.assert_allclose(predictions["alone"], trained[:20], atol=1e-5)


def test_the_request_in_the_readme_is_answered(home, first):
    code = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=home.path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("b'") == 2


def test_every_metric_of_every_slice_equals_scikit_learn(home, predictions):
    truth, label = np.array(predictions["truth"]), np.array(predictions["label"])
    probabilities, classes = np.float64(predictions["together"]), predictions["classes"]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    evaluation = home.json("demo", "evaluation.json")["slices"]
    assert [one["slice"] for one in evaluation] == [
        {}, *({"label": c} for c in classes), {"sequence_length": "10+"}, {"time": "9"},
    ]  # fmt: skip
    for one in evaluation:
        rows = truth == one["slice"].get("label", truth)
        values = {name: metric["value"] for name, metric in one["metrics"].items()}
        assert one["examples"] == rows.sum()
        assert values["accuracy"] == pytest.approx(sk.accuracy_score(truth[rows], label[rows]), abs=1e-6)
        for place, name in enumerate(("precision", "recall", "f1")):
            expected = sk.precision_recall_fscore_support(
                truth[rows], label[rows], labels=classes, zero_division=0
            )[place]
            assert [values[f"{name}[{c}]"] for c in classes] == pytest.approx(expected.tolist(), abs=1e-6)
        if len(set(truth[rows])) == len(classes):
            area = sk.roc_auc_score(truth[rows], probabilities[rows], multi_class="ovr")
            assert values["auc_macro"] == pytest.approx(area, abs=1e-3)


def cached(home: Home) -> set[str]:
    """The stages of the last run that were taken from the cache."""
    return {stage["name"] for stage in home.json("demo", "run.json")["stages"] if stage["cached"]}


def test_a_repeated_run_takes_every_stage_from_the_cache(home, first):
    before = home.versions("demo")
    done = home.sluice("run", "pipeline/configs/demo.yaml")
    assert done.returncode == 0
    assert cached(home) == set(STAGES) - LOOKED_UP
    assert done.stdout.count("cached") == len(STAGES) - len(LOOKED_UP)
    assert home.versions("demo") == before
    assert f"already served as version {before[-1]}" in done.stdout
    pushed = home.json("demo", "run.json")["pushed"]
    assert (pushed["version"], pushed["already_served"]) == (before[-1], True)


def test_a_bound_out_of_reach_is_refused_and_nothing_is_pushed(home, first):
    before = home.versions("demo")
    bound = "gate.thresholds=[{metric: recall_macro, min: 0.999, slice: label}]"
    done = home.sluice("run", "pipeline/configs/demo.yaml", "--set", bound)
    assert done.returncode == 4, done.stdout
    assert home.versions("demo") == before
    run = home.json("demo", "run.json")
    assert (run["status"], run["pushed"]) == ("model_refused", None)
    peak = next(
        one for one in home.json("demo", "evaluation.json")["slices"] if one["slice"] == {"label": "peak"}
    )
    assert [(stage["name"], stage["status"]) for stage in run["stages"]][-2:] == [
        ("Verdict", "done"), ("ModelGate", "failed"),
    ]  # fmt: skip
    value = peak["metrics"]["recall_macro"]["value"]
    why = home.sluice("why", "demo").stdout
    # Of three slices each has the interval of 1 - 0.05 / 3.
    exact = stats.binomtest(round(value * peak["examples"]), peak["examples"]).proportion_ci(1 - 0.05 / 3)
    assert (
        f"recall_macro is {value:.4f} [{exact.low:.4f}, {exact.high:.4f}] on label=peak "
        f"({peak['examples']} sequences), {0.999 - value:.4f} below the bound 0.999"
    ) in why
    told = json.loads(home.sluice("why", "demo", "--json").stdout)
    assert [reason["slice"]["label"] for reason in told["reasons"]] == ["peak", "rising", "falling"]
    blessing = home.artifact("demo", "Verdict", "blessing")
    assert {path.name for path in blessing.iterdir()} == {"NOT_BLESSED", "verdict.json", "evaluation.json"}


def delete(version: Path) -> None:
    shutil.rmtree(version)


def damage(version: Path) -> None:
    (version / "assets" / "label").write_text("half\n")


def supersede(version: Path) -> None:
    newer = version.with_name(str(int(version.name) + 1))
    shutil.copytree(version, newer)
    (newer / "fingerprint.pb").write_bytes(b"another model")


@pytest.mark.parametrize("change", [delete, damage, supersede])
def test_a_push_that_no_longer_serves_this_model_is_made_again(home, first, change):
    change(home.newest("demo"))
    others = set(home.versions("demo"))
    done = home.sluice("run", "pipeline/configs/demo.yaml")
    assert done.returncode == 0, done.stdout
    run = home.json("demo", "run.json")
    assert cached(home) == set(STAGES) - LOOKED_UP
    assert not run["pushed"]["already_served"]
    newest = home.versions("demo")[-1]
    assert newest not in others
    assert run["pushed"]["version"] == newest
    assert home.sluice("run", "pipeline/configs/demo.yaml").returncode == 0
    run = home.json("demo", "run.json")
    assert cached(home) == set(STAGES) - LOOKED_UP
    assert run["pushed"]["version"] == newest == home.versions("demo")[-1]


def test_going_back_and_forth_between_versions(home, first):
    old = home.versions("demo")[-1]
    done = home.sluice("run", "pipeline/configs/demo.yaml", "--set", "training.epochs=6")
    assert done.returncode == 0, done.stdout
    new = home.versions("demo")[-1]
    done = home.sluice("rollback", "pipeline/configs/demo.yaml", "--reason", "a test")
    assert done.returncode == 0, done.stderr
    newest = home.versions("demo")[-1]
    assert int(newest) > int(new)
    models = home.path / "serving_models" / "demo"
    assert held(models / newest) == held(models / old)
    line = home.sluice("versions", "pipeline/configs/demo.yaml").stdout.splitlines()[0]
    assert f"rolled back from {new} to {old} by " in line


def test_runs_lists_them_all(home, first):
    statuses = [
        line.split()[2] for line in home.sluice("runs", "pipeline/configs/demo.yaml").stdout.splitlines()
    ]
    assert set(statuses) <= {"pushed", "model_refused"}
    assert statuses[-1] == "pushed"


def test_worker_processes_write_the_same_bytes(tmp_path, first, home):
    alone = home.artifact("demo", "Ingest", "examples")
    other = make_home(tmp_path)
    workers = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    done = other.sluice("check", "pipeline/configs/demo.yaml", "--", *workers)
    assert done.returncode == 0, done.stdout
    apart = other.artifact("demo", "Ingest", "examples")
    for split in ("train", "eval"):
        files = {path.name: path.read_bytes() for path in (alone / f"Split-{split}").iterdir()}
        assert files == {path.name: path.read_bytes() for path in (apart / f"Split-{split}").iterdir()}
