"""The TFMA metric against scikit-learn, and a worked example."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from tensorflow_model_analysis.metrics import metric_types

from components.trainer.metrics import ClassificationMetrics, Counts


def counted(labels: np.ndarray, probabilities: np.ndarray, classes: list[str]) -> Counts:
    counts = Counts()
    for label, row in zip(labels, probabilities, strict=True):
        counts.add(str(label), row, classes)
    return counts


def draw(examples: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    random = np.random.default_rng(seed)
    names = [f"c{i}" for i in range(classes)]
    truth = random.integers(classes, size=examples)
    scores = random.normal(size=(examples, classes)) + 1.5 * np.eye(classes)[truth]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return np.array(names)[truth], probabilities, names


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 400), st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_every_metric_equals_scikit_learn(examples, classes, seed):
    labels, probabilities, names = draw(examples, classes, seed)
    found = counted(labels, probabilities, names).metrics()
    predicted = np.array(names)[probabilities.argmax(axis=1)]
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted), abs=1e-12)
    log_loss = sk.log_loss(labels, probabilities.clip(1e-7, 1), labels=names)
    assert found["log_loss"] == pytest.approx(log_loss, abs=1e-6)
    per_class = sk.precision_recall_fscore_support(labels, predicted, labels=names, zero_division=0)
    for place, name in enumerate(("precision", "recall", "f1")):
        for index, class_ in enumerate(names):
            assert found[f"{name}[{class_}]"] == pytest.approx(per_class[place][index], abs=1e-12)
        present = [index for index, class_ in enumerate(names) if class_ in labels]
        assert found[f"{name}_macro"] == pytest.approx(per_class[place][present].mean(), abs=1e-12)
    areas = []
    for index, class_ in enumerate(names):
        truth = labels == class_
        if truth.any() and not truth.all():
            areas.append(sk.roc_auc_score(truth, probabilities[:, index]))
            assert found[f"auc[{class_}]"] == pytest.approx(areas[-1], abs=1e-12)
        else:
            assert np.isnan(found[f"auc[{class_}]"])
    if areas:
        assert found["auc_macro"] == pytest.approx(np.mean(areas), abs=1e-12)


def test_the_area_is_within_a_thousandth_of_scikit_learn_on_many_examples():
    labels, probabilities, names = draw(60_000, 3, seed=7)
    probabilities = probabilities**8 / (probabilities**8).sum(axis=1, keepdims=True)  # crowded near 0 and 1
    found = counted(labels, probabilities, names).metrics()["auc_macro"]
    assert found == pytest.approx(sk.roc_auc_score(labels, probabilities, multi_class="ovr"), abs=1e-3)


def test_the_worked_example_of_fifty_five_ten_thirty_five():
    # 50 true positives, 5 false positives, 10 false negatives, 35 true negatives
    labels = np.repeat(["yes", "no", "yes", "no"], [50, 5, 10, 35])
    positive = np.repeat([0.9, 0.9, 0.1, 0.1], [50, 5, 10, 35])
    found = counted(labels, np.stack([1 - positive, positive], axis=1), ["no", "yes"]).metrics()
    assert found["precision[yes]"] == pytest.approx(50 / 55)
    assert found["recall[yes]"] == pytest.approx(50 / 60)
    assert found["f1[yes]"] == pytest.approx(0.870, abs=5e-4)
    assert found["accuracy"] == pytest.approx(0.85)


@given(st.integers(2, 60), st.integers(1, 5), st.integers(0, 1000))
def test_any_partition_of_the_data_gives_the_same_metrics(examples, parts, seed):
    labels, probabilities, names = draw(examples, 3, seed)
    whole = counted(labels, probabilities, names).metrics()
    merged = Counts()
    for part in np.array_split(np.arange(examples), parts):
        merged.merge(counted(labels[part], probabilities[part], names))
    assert merged.metrics() == pytest.approx(whole, nan_ok=True)


def test_a_label_the_model_does_not_know_counts_against_it():
    found = counted(np.array(["a", "z"]), np.array([[0.9, 0.1], [0.9, 0.1]]), ["a", "b"]).metrics()
    assert found["accuracy"] == 0.5
    assert found["recall[z]"] == 0
    assert found["recall_macro"] == 0.5
    assert found["precision[a]"] == 0.5


def test_no_examples_give_no_metrics():
    assert Counts().metrics() == {}


def test_a_nan_prediction_makes_the_loss_nan_rather_than_good():
    found = counted(np.array(["a", "b"]), np.array([[np.nan, np.nan], [0.1, 0.9]]), ["a", "b"]).metrics()
    assert np.isnan(found["log_loss"])


def test_the_combiner_reads_what_tfma_hands_it():
    labels, probabilities, names = draw(300, 4, seed=3)
    classes = np.array([name.encode() for name in names])
    combiner = ClassificationMetrics().computations(model_names=[""])[0].combiner
    accumulators = []
    for part in np.array_split(np.arange(300), 3):
        accumulator = combiner.create_accumulator()
        for i in part:
            inputs = metric_types.StandardMetricInputs(
                labels=np.array([labels[i].encode()]),
                predictions={"probabilities": probabilities[i], "classes": classes},
            )
            accumulator = combiner.add_input(accumulator, inputs)
        accumulators.append(pickle.loads(pickle.dumps(combiner.compact(accumulator))))
    found = combiner.extract_output(combiner.merge_accumulators(accumulators))
    expected = counted(labels, probabilities, names).metrics()
    assert {key.name: value for key, value in found.items()} == pytest.approx(expected)
    assert {key.example_weighted for key in found} == {None}  # else TFMA does not find a bound's metric
