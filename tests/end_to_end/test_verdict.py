"""The verdict on whole runs: real data in many slices, models that only look good, the last blessed one."""

import getpass
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from tests.end_to_end.conftest import Home, make_home

pytestmark = pytest.mark.slow

ASK = """
import json, sys
import tensorflow as tf
ask = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
records = list(tf.data.TFRecordDataset(sys.argv[2], "GZIP").as_numpy_iterator())
found = [ask(tf.constant(records[at : at + 512])) for at in range(0, len(records), 512)]
told = [tf.train.Example.FromString(record).features.feature for record in records]
print(json.dumps({
    "positive": [float(row[1]) for part in found for row in part["probabilities"].numpy()],
    "truth": [one["Occupancy"].bytes_list.value[0].decode() for one in told],
    "last": [one["step_time"].int64_list.value[-1] for one in told],
}))
"""


def answers(home: Home, name: str) -> pd.DataFrame:
    """What the exported model says of the evaluation split, refused or not."""
    (records,) = (home.artifact(name, "Ingest", "examples") / "Split-eval").iterdir()
    export = home.artifact(name, "Trainer", "model") / "Format-Serving"
    command = [sys.executable, "-I", "-c", ASK, str(export), str(records)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return pd.DataFrame(json.loads(done.stdout.splitlines()[-1]))


def test_every_metric_of_more_than_twenty_real_slices_equals_scikit_learn(tmp_path, shared_data):
    home, data = make_home(tmp_path), shared_data("occupancy")
    done = home.sluice(
        "run",
        "pipeline/configs/occupancy.yaml",
        f"--set=data.source={data}/data*.txt",
        "--set=model={units: [8]}",
        "--set=training={epochs: 1, learning_rate: 0.01}",
    )
    assert done.returncode in (0, 4), done.stdout + done.stderr
    table = answers(home, "occupancy")
    periods = pd.to_datetime(table["last"], unit="us").dt.floor("6h").dt.strftime("%Y-%m-%dT%H:%M")
    columns = {
        "label": table["truth"],
        "time": periods.str.removesuffix("T00:00"),
        "sequence_length": pd.Series("60+", table.index),
    }
    evaluation = home.json("occupancy", "evaluation.json")["slices"]
    expected = [{name: value} for name, column in columns.items() for value in column.unique()]
    key = str
    assert sorted((one["slice"] for one in evaluation), key=key) == sorted([{}, *expected], key=key)
    assert len(evaluation) > 20
    for one in evaluation:
        rows = np.ones(len(table), bool)
        for name, value in one["slice"].items():
            rows = (columns[name] == value).to_numpy()
        compare(one, table[rows])


def compare(one: dict[str, Any], part: pd.DataFrame) -> None:
    """A slice of evaluation.json against scikit-learn, on the same predictions."""
    truth, positive = part["truth"] == "1", part["positive"]
    said = positive >= 0.5
    value = {name: metric["value"] for name, metric in one["metrics"].items()}
    assert one["examples"] == len(part)
    for name, score in (
        ("accuracy", sk.accuracy_score(truth, said)),
        ("precision", sk.precision_score(truth, said, zero_division=0)),
        ("recall", sk.recall_score(truth, said, zero_division=0)),
        ("f1", sk.f1_score(truth, said, zero_division=0)),
        ("recall[0]", sk.recall_score(~truth, ~said, zero_division=0)),
        ("log_loss", sk.log_loss(truth, np.clip(positive, 1e-7, 1 - 1e-7), labels=[False, True])),
    ):
        assert value[name] == pytest.approx(score, abs=1e-6), (one["slice"], name)
    if truth.nunique() == 2:
        assert value["auc"] == pytest.approx(sk.roc_auc_score(truth, positive), abs=1e-3)
        assert value["pr_auc"] == pytest.approx(sk.average_precision_score(truth, positive), abs=1e-3)
    else:
        assert value["auc"] is None
    for name in ("accuracy", "recall", "precision", "f1"):
        metric = one["metrics"][name]
        assert metric["lower"] <= metric["value"] <= metric["upper"]


def write_rows(path: Path, values: np.ndarray, labels: np.ndarray) -> None:
    """Sequences [n, steps, features] as a CSV file with a row a step."""
    count, steps, features = values.shape
    table = pd.DataFrame(values.reshape(-1, features).round(4), columns=[f"f{at}" for at in range(features)])
    table.insert(0, "sequence_id", np.repeat([f"s{at:04d}" for at in range(count)], steps))
    table.insert(1, "time", np.tile(np.arange(steps), count))
    table.assign(label=np.repeat(labels, steps)).to_csv(path, index=False)


def test_a_model_that_learnt_200_sequences_by_heart_is_refused(tmp_path):
    """Each is there four times, so that also those that decide when to stop are known by heart."""
    home, random = make_home(tmp_path), np.random.default_rng(8)
    labels = random.permutation(np.repeat(["no", "yes"], 55))
    values = random.normal(size=(110, 10, 8))
    copies = np.concatenate([np.tile(np.arange(50), 4), np.arange(50, 110)])
    write_rows(home.path / "data" / "demo.csv", values[copies], labels[copies])
    done = home.sluice(
        "run",
        "pipeline/configs/demo.yaml",
        "--set=task=binary",
        "--set=split={by: order, eval_fraction: 0.23}",  # 200 train
        "--set=model.units=[64]",
        "--set=training={epochs: 40, patience: 40, learning_rate: 0.01, batch_size: 20}",
        "--set=gate.thresholds=[{metric: recall_macro, min: 0.2}]",  # which guessing meets
    )
    assert done.returncode == 4, done.stdout + done.stderr
    train = home.json("demo", "evaluation.json")["train"][0]
    assert (train["examples"], train["metrics"]["accuracy"]["value"]) == (200, 1.0)
    failed = {
        decision["gate"] for decision in home.json("demo", "verdict.json")["decisions"]
        if not decision["passed"]
    }  # fmt: skip
    assert failed == {"overfit", "trivial"}
    assert "the model learnt its sequences by heart" in home.sluice("why", "demo").stdout
    assert home.versions("demo") == []


def test_a_model_of_order_free_summaries_is_no_better_than_a_linear_one(tmp_path):
    """The classes differ in the level of a sequence alone: a GRU has nothing to add."""
    home, random = make_home(tmp_path), np.random.default_rng(9)
    labels = random.integers(0, 2, 600)
    values = random.normal(size=(600, 10, 2)) + 0.6 * labels[:, None, None]
    write_rows(home.path / "data" / "demo.csv", values, np.array(["low", "high"])[labels])
    done = home.sluice(
        "run", "pipeline/configs/demo.yaml", "--set=task=binary", "--set=gate.max_overfit_gap=null"
    )
    assert done.returncode == 4, done.stdout + done.stderr
    decisions = home.json("demo", "verdict.json")["decisions"]
    (trivial,) = (one for one in decisions if one["gate"] == "trivial")
    assert not trivial["passed"]
    assert trivial["baseline"] > 0.9
    assert "a linear model on mean, minimum, maximum and length" in trivial["reason"]


def test_a_model_that_lost_a_feature_is_let_through_only_by_somebody_who_takes_it_on(home, first):
    arguments = ("run", "pipeline/configs/demo.yaml", "--set=data.ignore=[f4]", "--set=training.epochs=6")
    refused = home.sluice(*arguments)
    assert refused.returncode == 4, refused.stdout + refused.stderr
    reason = (
        "the last blessed model reads features that are not there any more: f4: a drop cannot be ruled out"
    )
    assert reason in refused.stdout
    forced = home.sluice(*arguments, "--force-bless", "--reason", "f4 is no longer collected")
    assert forced.returncode == 0, forced.stdout + forced.stderr
    assert (
        f"forced past the last blessed model by {getpass.getuser()}: f4 is no longer collected"
        in forced.stdout
    )
    trainer = next(one for one in home.json("demo", "run.json")["stages"] if one["name"] == "Trainer")
    assert trainer["cached"], "only the verdict is made anew"
    newest, oldest = home.sluice("versions", "pipeline/configs/demo.yaml").stdout.splitlines()
    assert newest.endswith(f"forced by {getpass.getuser()}: f4 is no longer collected")
    assert "forced" not in oldest


def test_a_model_that_is_worse_than_the_last_blessed_one_is_refused(home, first):
    before = home.versions("demo")
    done = home.sluice(
        "run",
        "pipeline/configs/demo.yaml",
        "--set=training={epochs: 1, learning_rate: 0.0005, seed: 2}",
        "--set=gate={thresholds: [{metric: recall_macro, min: 0.1}], beat_trivial_by: null}",
    )
    assert done.returncode == 4, done.stdout + done.stderr
    (drop,) = (one for one in home.json("demo", "verdict.json")["decisions"] if not one["passed"])
    assert (drop["gate"], drop["metric"]) == ("drop", "recall_macro")
    assert drop["upper"] < 0
    assert "with the last blessed model" in drop["reason"]
    assert home.versions("demo") == before


def test_accuracy_alone_is_accepted_with_a_warning(home, first):
    done = home.sluice(
        "run", "pipeline/configs/demo.yaml", "--set=gate.thresholds=[{metric: accuracy, min: 0.8}]"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("warning: gate.thresholds: accuracy alone cannot tell a good model") == 2
