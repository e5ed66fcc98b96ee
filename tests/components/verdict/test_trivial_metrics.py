"""Trivial models of what Transform wrote, measured as scikit-learn and plain Python measure them."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics as sk
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from components.trainer.inputs import read_inputs
from components.trainer.survey import read_records
from components.verdict import trivial_metrics as module
from components.verdict.trivial import RIDGE_PENALTY
from components.verdict.trivial_metrics import trivial_metrics
from tests.components.conftest import LABEL, Transformed

CLASSES = ("2", "10", "z")


def measured_by(
    task: str, found: Transformed, classes: tuple[str, ...] = (), train=None, evaluated=None
) -> dict[str, dict[str, float | None]]:
    files = [found.files]
    return trivial_metrics(task, LABEL, classes, found.output, train or files, evaluated or files)


def examples(found: Transformed) -> list[tf.train.Example]:
    return [tf.train.Example.FromString(one) for one in read_records([found.files]).as_numpy_iterator()]


def values(example: tf.train.Example, name: str) -> list:
    feature = example.features.feature[name]
    return list(getattr(feature, feature.WhichOneof("kind")).value) if feature.WhichOneof("kind") else []


def written(path: Path, records: list[tf.train.Example]) -> list[str]:
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record.SerializeToString())
    return [str(path)]


def table(found: Transformed) -> tuple[np.ndarray, np.ndarray]:
    """Summaries and labels, one example after the other; those of tokens for ids up to 17."""
    inputs, rows, labels = read_inputs(found.output, LABEL), [], []
    for example in examples(found):
        row = []
        for name in inputs.numbers:
            steps = values(example, name)
            row += [np.mean(steps), min(steps), max(steps)]
        for name in inputs.tokens:
            ids = values(example, name)
            row += [ids.count(token) / len(ids) for token in range(2, 18)]
        rows.append([*row, len(values(example, inputs.names[0]))])
        labels += values(example, LABEL)
    return np.array(rows), np.array(labels)


def test_three_classes_are_told_as_by_scikit_learn(transformed):
    found = measured_by("multiclass", transformed, CLASSES)
    columns, labels = table(transformed)
    labels = labels.astype(str)
    scaled = StandardScaler().fit_transform(columns)
    models = {
        "majority_class": DummyClassifier(strategy="most_frequent"),
        "label_frequencies": DummyClassifier(strategy="prior"),
        "linear": LogisticRegression(solver="newton-cg", tol=1e-8, max_iter=1000),
    }
    assert set(found) == set(models)
    for name, model in models.items():
        told = model.fit(scaled, labels).predict_proba(scaled)
        assert model.classes_.tolist() == ["10", "2", "z"]
        of_truth = told[np.arange(len(told)), np.searchsorted(model.classes_, labels)]
        loss = -np.log(of_truth.clip(1e-7)).mean()
        assert found[name]["log_loss"] == pytest.approx(loss, abs=1e-3)
    assert found["linear"]["accuracy"] == pytest.approx(models["linear"].score(scaled, labels))
    assert found["majority_class"]["recall[2]"] == 1.0  # of equally frequent ones the first
    assert found["label_frequencies"]["auc_macro"] == 0.5
    assert all(value is None or isinstance(value, float) for one in found.values() for value in one.values())
    assert "confusion_matrix" not in found["linear"]


def test_words_beside_numbers_are_told_as_by_scikit_learn(worded):
    found = measured_by("binary", worded, ("no", "yes"))
    columns, labels = table(worded)
    scaled = StandardScaler().fit_transform(columns)
    model = LogisticRegression(solver="newton-cg", C=2.0, tol=1e-8, max_iter=1000).fit(
        scaled, labels == b"yes"
    )
    score = model.predict_proba(scaled)[:, 1]
    assert found["linear"]["auc"] == pytest.approx(sk.roc_auc_score(labels == b"yes", score), abs=0.01)
    assert found["linear"]["log_loss"] == pytest.approx(sk.log_loss(labels == b"yes", score), abs=1e-3)
    assert found["majority_class"]["recall[no]"] == 1.0
    assert found["majority_class"]["precision"] == 0.0  # of yes, the last class


def test_a_number_is_told_as_by_scikit_learn(measured):
    found = measured_by("regression", measured)
    columns, labels = table(measured)
    varies = columns[:, columns.std(axis=0) > 0]
    scaled = StandardScaler().fit_transform(varies)
    told = Ridge(alpha=RIDGE_PENALTY).fit(scaled, labels).predict(scaled)
    assert found["linear"]["mse"] == pytest.approx(sk.mean_squared_error(labels, told), rel=1e-6)
    assert found["linear"]["r2"] > 0.5
    assert found["mean"]["mse"] == pytest.approx(labels.var(), rel=1e-6)
    last = np.array([[values(one, name)[-1] for name in ("a", "b")] for one in examples(measured)])
    told = Ridge(alpha=RIDGE_PENALTY).fit(StandardScaler().fit_transform(last), labels)
    told = told.predict(StandardScaler().fit_transform(last))
    assert found["last_value"]["mae"] == pytest.approx(sk.mean_absolute_error(labels, told), rel=1e-5)


def test_the_next_token_is_judged_as_in_plain_python(spoken):
    found = measured_by("generation", spoken)
    sequences = [values(one, "text") for one in examples(spoken)]
    ids = read_inputs(spoken.output, LABEL).tokens["text"]
    seconds = [second for one in sequences for second in one[1:]]
    alone = {token: (seconds.count(token) + 1) / (len(seconds) + ids - 1) for token in range(1, ids)}
    follows: dict[int, list[int]] = {}
    for first, second in (pair for one in sequences for pair in pairwise(one)):
        follows.setdefault(first, []).append(second)
    beside = {
        (first, second): (after.count(second) + len(set(after)) * alone[second])
        / (len(after) + len(set(after)))
        for first, after in follows.items()
        for second in after
    }
    told = [math.log(beside[pair]) for one in sequences for pair in pairwise(one)]
    loss = -float(np.mean(told))
    assert found["bigram"]["log_loss"] == pytest.approx(loss, abs=1e-9)
    assert found["bigram"]["perplexity"] == pytest.approx(math.exp(loss))
    loss = -float(np.mean([math.log(alone[second]) for second in seconds]))
    assert found["token_frequencies"]["log_loss"] == pytest.approx(loss, abs=1e-9)
    often = max(seconds.count(token) for token in range(2, ids)) / len(seconds)
    assert found["token_frequencies"]["accuracy"] == pytest.approx(often)
    assert found["bigram"]["accuracy"] > often
    assert found["bigram"]["bleu"] > found["token_frequencies"]["bleu"] >= 0


def test_the_next_numbers_are_judged_as_in_plain_python(series):
    found = measured_by("generation", series)
    steps = [
        (values(one, name)[:at], values(one, name)[at])
        for one in examples(series)
        for name in read_inputs(series.output, LABEL).numbers
        for at in range(1, len(values(one, name)))
    ]
    known = [([x for x in before if not math.isnan(x)], now) for before, now in steps if not math.isnan(now)]
    assert len(known) < len(steps)
    errors = np.array([now - (before[-1] if before else 0.0) for before, now in known])
    assert found["last_value"]["mse"] == pytest.approx(np.mean(errors**2))
    assert found["last_value"]["mae"] == pytest.approx(np.mean(np.abs(errors)))
    assert found["mean"]["mse"] == pytest.approx(np.mean([now**2 for _, now in known]))
    assert set(found["mean"]) == {"mse", "rmse", "mae"}


def test_an_unknown_class_in_evaluation_is_a_miss(transformed, tmp_path):
    records = examples(transformed)
    records[0].features.feature[LABEL].bytes_list.value[0] = b"new"
    found = measured_by("multiclass", transformed, CLASSES, None, written(tmp_path / "eval", records))
    assert found["linear"]["recall[new]"] == 0.0
    assert found["linear"]["auc[new]"] is None


@pytest.mark.parametrize(
    ("fixture", "task", "classes"),
    [
        ("transformed", "multiclass", CLASSES),
        ("worded", "binary", ("no", "yes")),
        ("measured", "regression", ()),
        ("spoken", "generation", ()),
        ("series", "generation", ()),
    ],
)
def test_empty_sequences_are_judged_too(request, fixture, task, classes, tmp_path):
    found = request.getfixturevalue(fixture)
    records = examples(found)
    for name in read_inputs(found.output, LABEL).names:
        for at in (0, 3, -1):
            records[at].features.feature[name].Clear()
    files = written(tmp_path / "eval", records)
    metrics = measured_by(task, found, classes, files, files)
    first = {"binary": "log_loss", "multiclass": "log_loss", "regression": "mse"}
    name = first.get(task, "log_loss" if fixture == "spoken" else "mse")
    assert all(math.isfinite(one[name]) for one in metrics.values())


def test_without_a_sequence_to_judge_there_is_no_metric(transformed, tmp_path):
    found = measured_by("multiclass", transformed, CLASSES, None, written(tmp_path / "eval", []))
    assert found == {"majority_class": {}, "label_frequencies": {}, "linear": {}}


@pytest.mark.parametrize("most", [10, 100_000])
def test_neither_the_order_of_the_records_nor_their_files_matter(transformed, tmp_path, monkeypatch, most):
    monkeypatch.setattr(module, "FITTED", most)
    monkeypatch.setattr(module, "_AT_ONCE", 7)
    records = examples(transformed)
    # Serialized anew, which may give other bytes.
    one = written(tmp_path / "one", records)
    other = written(tmp_path / "b", records[20:]) + written(tmp_path / "a", records[:20][::-1])
    found = [measured_by("multiclass", transformed, CLASSES, files)["linear"] for files in (one, other)]
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_of_many_sequences_only_some_are_fitted_to(transformed, monkeypatch):
    read = []
    monkeypatch.setattr(module, "FITTED", 10)
    classifiers = module.trivial.classifiers

    def counting(train, labels, classes):
        read.append(len(labels))
        return classifiers(train, labels, classes)

    monkeypatch.setattr(module.trivial, "classifiers", counting)
    assert measured_by("multiclass", transformed, CLASSES)["linear"]["accuracy"] is not None
    assert read == [10]
    monkeypatch.setattr(module, "FITTED_PROBABILITIES", 15)
    measured_by("multiclass", transformed, CLASSES)
    assert read == [10, 5]
