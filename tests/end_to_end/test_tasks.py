"""Each task on data whose answer is known, and its metrics against scikit-learn."""

import json
import subprocess
import sys
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
model = tf.saved_model.load(sys.argv[1])
records = list(tf.data.TFRecordDataset(sys.argv[2], "GZIP").as_numpy_iterator())
found = model.signatures[sys.argv[3]](examples=tf.constant(records))
plain = lambda one: one.decode() if isinstance(one, bytes) else one
found.pop("classes", None)
decoded = {name: [plain(one) for one in value.numpy().tolist()] for name, value in found.items()}
print(json.dumps(decoded))
"""


def answers(home: Home, name: str, signature: str, label: str = "label") -> tuple[dict[str, Any], list[Any]]:
    """What the pushed model says of the evaluation split, and what is true."""
    (records,) = (home.artifact(name, "Ingest", "examples") / "Split-eval").iterdir()
    command = [sys.executable, "-I", "-c", ASK, str(home.newest(name)), str(records), signature]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    import tensorflow as tf

    truth = []
    for record in tf.data.TFRecordDataset(str(records), "GZIP").as_numpy_iterator():
        told = tf.train.Example.FromString(record).features.feature[label]
        truth += told.float_list.value or [one.decode() for one in told.bytes_list.value]
    return json.loads(done.stdout.splitlines()[-1]), truth


def overall(home: Home, name: str) -> dict[str, float]:
    metrics = home.json(name, "evaluation.json")["slices"][0]["metrics"]
    return {metric: one["value"] for metric, one in metrics.items()}


def test_a_column_of_categories_is_learnt(tmp_path):
    home = make_home(tmp_path)
    path = home.path / "data" / "demo.csv"
    table = pd.read_csv(path)
    # All that tells the class: a colour at one step of each sequence.
    told = table["label"].map({"falling": "red", "peak": "green", "rising": "blue"})
    table["colour"] = np.where(table["time"] % 10 == 4, told, "grey")
    table.drop(columns=[f"f{i}" for i in range(1, 5)]).assign(f0=0.5).to_csv(path, index=False)
    done = home.sluice(
        "run",
        "pipeline/configs/demo.yaml",
        "--set=audit.severity={label-as-feature: off, constant-feature: off, duplicate-across-splits: off}",
        "--set=training.epochs=12",
        "--set=training.learning_rate=0.02",
        "--set=gate.beat_trivial_by=null",  # the shares of the colours tell the class as well
    )
    assert done.returncode == 0, done.stdout
    assert "features: float f0; category colour" in done.stdout
    assert home.json("demo", "evaluation.json")["slices"][0]["metrics"]["accuracy"]["value"] > 0.95


def test_texts_are_told_apart_and_binary_metrics_equal_scikit_learn(tmp_path):
    home, random = make_home(tmp_path), np.random.default_rng(1)
    words = {"ham": "see you at home for lunch today", "spam": "win cash prize now call free"}
    filler = ["the", "a", "to", "of", "and", "I"]
    rows = []
    for number in range(600):
        label = ["ham", "ham", "spam"][number % 3]
        said = random.choice([*words[label].split(), *filler], random.integers(3, 15))
        rows.append(f"{label}\t{' '.join(said)} {number}")
    (home.path / "data" / "messages.tsv").write_text("\n".join(rows) + "\n")
    done = home.sluice(
        "run",
        "pipeline/configs/sms_spam.yaml",
        "--set=data.source=data/messages.tsv",
        "--set=model={units: [8], embedding: 8}",
        "--set=training={epochs: 4, learning_rate: 0.02, batch_size: 16, class_weight: balanced}",
        "--set=gate={thresholds: [{metric: f1, min: 0.8}], beat_trivial_by: null}",
    )
    assert done.returncode == 0, done.stdout
    (found, kinds), values = answers(home, "sms_spam", "serving_default", "kind"), overall(home, "sms_spam")
    truth, scores = np.array(kinds) == "spam", np.array(found["probabilities"])[:, 1]
    said = np.array(found["label"]) == "spam"
    assert values["precision"] == pytest.approx(sk.precision_score(truth, said), abs=1e-6)
    assert values["recall"] == pytest.approx(sk.recall_score(truth, said), abs=1e-6)
    assert values["f1"] == pytest.approx(sk.f1_score(truth, said), abs=1e-6)
    assert values["auc"] == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-3)
    assert values["pr_auc"] == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-3)
    beside = home.newest("sms_spam") / "assets.extra"
    assert {path.name for path in beside.iterdir()} == {
        "example_requests.json", "raw_schema.pbtxt", "tf_serving_warmup_requests"
    }  # fmt: skip
    logs = home.artifact("sms_spam", "Trainer", "model_run") / "tensorboard"
    assert list(logs.rglob("events.out.*"))


WEIGHTS = np.array([-1, 0.5, 1, -1, 0.5, 0.8])


def test_a_number_is_learnt_in_its_own_unit_and_its_metrics_equal_scikit_learn(tmp_path):
    home, random = make_home(tmp_path), np.random.default_rng(2)
    rows = []
    for number in range(400):
        steps = random.normal(size=6).round(4)
        rows += [f"s{number:03},{at},{x},{1000 + 50 * steps @ WEIGHTS:.4f}" for at, x in enumerate(steps)]
    (home.path / "data" / "sums.csv").write_text("\n".join(["id,at,x,label", *rows]) + "\n")
    (home.path / "sums.yaml").write_text(
        "name: sums\ntask: regression\n"
        "data: {source: data/sums.csv, sequence_id: id, time: at, label: label}\n"
        "split: {by: order, eval_fraction: 0.25}\n"
        "model: {units: [12], dropout: 0.0}\n"
        "training: {epochs: 40, batch_size: 16, learning_rate: 0.02, schedule: cosine, patience: 40}\n"
        "gate: {thresholds: [{metric: rmse, max: 60}, {metric: r2, min: 0.8}]}\n"
    )
    done = home.sluice("run", "sums.yaml")
    assert done.returncode == 0, done.stdout
    (found, truth), values = answers(home, "sums", "serving_default"), overall(home, "sums")
    predicted = found["prediction"]
    assert values["mse"] == pytest.approx(sk.mean_squared_error(truth, predicted), rel=1e-6)
    assert values["rmse"] == pytest.approx(sk.mean_squared_error(truth, predicted) ** 0.5, rel=1e-6)
    assert values["mae"] == pytest.approx(sk.mean_absolute_error(truth, predicted), rel=1e-6)
    assert values["r2"] == pytest.approx(sk.r2_score(truth, predicted), abs=1e-6)
    shown = home.json("sums", "evaluation.json")["predictions"]
    assert shown["sequences"] == len(truth)
    points = np.array(shown["points"])
    expected = np.stack([truth, predicted], axis=1)[np.lexsort((predicted, truth))]
    assert len(points) == min(len(truth), 1000)
    assert points.tolist() == [pytest.approx(one, rel=1e-6) for one in expected.tolist()]


TEXT = "the cat sat on the mat.\nthe dog sat on the log.\n" * 60


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_a_text_is_learnt_and_goes_on(tmp_path, unit):
    home = make_home(tmp_path)
    (home.path / "data" / "text.txt").write_text(TEXT)
    done = home.sluice(
        "run",
        "pipeline/configs/tinyshakespeare.yaml",
        "--set=data.source=data/text.txt",
        f"--set=data.tokens={unit}",
        "--set=data.window={length: 12, stride: 2}",
        "--set=audit.severity={window-overlap: off, duplicate-across-splits: off}",
        "--set=model={units: [24], embedding: 8, dropout: 0.0}",
        "--set=training={epochs: 12, batch_size: 32, learning_rate: 0.02}",
        "--set=gate.thresholds=[{metric: perplexity, max: 1.6}, {metric: bleu, min: 50}]",
    )
    assert done.returncode == 0, done.stdout
    (found, _), values = answers(home, "tinyshakespeare", "evaluation"), overall(home, "tinyshakespeare")
    loss = -sum(found["log_likelihood"]) / sum(found["tokens"])
    assert values["log_loss"] == pytest.approx(loss, rel=1e-6)
    assert values["perplexity"] == pytest.approx(np.exp(loss), rel=1e-6)
    assert values["accuracy"] == pytest.approx(sum(found["correct"]) / sum(found["tokens"]), abs=1e-6)
    shown = home.json("tinyshakespeare", "evaluation.json")["continuations"]
    assert 0 < len(shown) <= 10
    assert all(one["prompt"] + one["reference"] in TEXT for one in shown), "a window of the text"
    import tensorflow as tf

    generate = tf.saved_model.load(str(home.newest("tinyshakespeare"))).signatures["generate"]
    text = generate(
        prompt=tf.constant(["the cat sat on"]),
        max_new_tokens=tf.constant({"characters": 9, "words": 3}[unit]),
        temperature=tf.constant(0.0),
        seed=tf.constant(1, tf.int64),
    )["text"].numpy()[0]
    assert text in (b" the mat.", b" the log.")


def test_a_series_of_numbers_goes_on(tmp_path):
    home = make_home(tmp_path)
    rows = [f"{at},{20 + 5 * np.sin(at / 4):.4f}" for at in range(1500)]
    (home.path / "data" / "wave.csv").write_text("\n".join(["at,level", *rows]) + "\n")
    (home.path / "wave.yaml").write_text(
        "name: wave\ntask: generation\n"
        "data: {source: data/wave.csv, time: at, window: {length: 40, stride: 4}}\n"
        "audit: {severity: {near-duplicate: off}}\n"
        "model: {units: [16], dropout: 0.0}\n"
        "training: {epochs: 40, batch_size: 16, learning_rate: 0.01}\n"
        "gate: {thresholds: [{metric: rmse, max: 0.1}]}\n"
    )
    done = home.sluice("run", "wave.yaml")
    assert done.returncode == 0, done.stdout
    found, _ = answers(home, "wave", "evaluation")
    squares = sum(found["squared_error"]) / sum(found["values"])
    assert overall(home, "wave")["mse"] == pytest.approx(squares, rel=1e-6)
    import tensorflow as tf

    model = tf.saved_model.load(str(home.newest("wave")))
    past = 20 + 5 * np.sin(np.arange(100, 140) / 4)
    level = model.signatures["generate"](
        level=tf.constant(past[None], tf.float32),
        lengths=tf.constant([40], tf.int64),
        max_new_tokens=tf.constant(8),
    )["level"].numpy()[0]
    np.testing.assert_allclose(level, 20 + 5 * np.sin(np.arange(140, 148) / 4), atol=1.0)
