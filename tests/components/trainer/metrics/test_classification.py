"""Classification metrics against scikit-learn, and worked examples."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from components.trainer.metrics.classification import CLASS_COUNTS, CONFUSION_MATRIX, Classification

SEEDS = st.integers(0, 2**32 - 1)


def counted(labels, probabilities, classes: list[str], *, binary: bool = False) -> Classification:
    tally = Classification(binary=binary)
    names = np.array([name.encode() for name in classes])
    answers = [{"probabilities": row, "classes": names} for row in np.asarray(probabilities)]
    tally.add([np.array([str(label).encode()]) for label in labels], answers)
    return tally


def draw(examples: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    random = np.random.default_rng(seed)
    names = [f"c{i}" for i in range(classes)]
    truth = random.integers(classes, size=examples)
    scores = random.normal(size=(examples, classes)) + 1.5 * np.eye(classes)[truth]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return np.array(names)[truth], probabilities, names


def numbers(found: dict) -> dict[str, float]:
    return {name: value for name, value in found.items() if not isinstance(value, np.ndarray)}


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label was found")
@settings(deadline=None, max_examples=40)
@given(st.integers(1, 400), st.integers(2, 9), SEEDS)
def test_every_metric_equals_scikit_learn(examples, classes, seed):
    labels, probabilities, names = draw(examples, classes, seed)
    found = counted(labels, probabilities, names).metrics()
    predicted = np.array(names)[probabilities.argmax(axis=1)]
    present = [name for name in names if name in labels]
    expected = {
        "accuracy": sk.accuracy_score(labels, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
        "log_loss": sk.log_loss(labels, probabilities.clip(1e-7, 1), labels=names),
    }
    for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
        each = score(labels, predicted, labels=names, average=None, zero_division=0)
        expected |= {f"{name}[{class_}]": value for class_, value in zip(names, each, strict=True)}
        expected[f"{name}_macro"] = score(labels, predicted, labels=present, average="macro", zero_division=0)
        expected[f"{name}_micro"] = score(labels, predicted, labels=names, average="micro")
    for k in (3, 5):
        if k < classes:
            expected[f"top_{k}_error"] = 1 - sk.top_k_accuracy_score(labels, probabilities, k=k, labels=names)
    for name, area in (("auc", sk.roc_auc_score), ("pr_auc", sk.average_precision_score)):
        each = {}
        for index, class_ in enumerate(names):
            truth = labels == class_
            defined = truth.any() and not (name == "auc" and truth.all())
            each[class_] = area(truth, probabilities[:, index]) if defined else math.nan
        expected |= {f"{name}[{class_}]": value for class_, value in each.items()}
        expected[f"{name}_macro"] = np.mean([each[class_] for class_ in present])
    found = numbers(found)
    error = found.pop("calibration_error")
    assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert error == pytest.approx(expected_calibration_error(labels, probabilities, names), abs=1e-9)


def expected_calibration_error(labels, probabilities, names: list[str]) -> float:
    """Equations 2, 3 and 5 of Guo et al., one bin after the other."""
    confidence, predicted = probabilities.max(axis=1), np.array(names)[probabilities.argmax(axis=1)]
    total = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            accuracy = np.mean(predicted[inside] == labels[inside])
            total += inside.sum() / len(labels) * abs(accuracy - confidence[inside].mean())
    return total


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 200), st.integers(4, 8), SEEDS)
def test_equal_probabilities_count_as_in_scikit_learn(examples, classes, seed):
    labels, probabilities, names = draw(examples, classes, seed)
    probabilities = probabilities.round(1)
    found = counted(labels, probabilities, names).metrics()
    top = sk.top_k_accuracy_score(labels, probabilities, k=3, labels=names)
    assert found["top_3_error"] == pytest.approx(1 - top, abs=1e-12)
    truth = labels == "c0"
    if truth.any() and not truth.all():
        score = probabilities[:, 0]
        assert found["auc[c0]"] == pytest.approx(sk.roc_auc_score(truth, score), abs=1e-12)
        assert found["pr_auc[c0]"] == pytest.approx(sk.average_precision_score(truth, score), abs=1e-12)


def test_the_same_probability_for_every_class_earns_nothing():
    found = counted(["a", "b", "c", "d"] * 3, np.full((12, 4), 0.25), list("abcd")).metrics()
    assert found["top_3_error"] == 0.25
    assert found["auc_macro"] == 0.5
    assert found["pr_auc_macro"] == 0.25


# 50 true positives, 5 false positives, 10 false negatives, 35 true negatives
WORKED_LABELS = np.repeat(["yes", "no", "yes", "no"], [50, 5, 10, 35])
WORKED_POSITIVE = np.repeat([0.9, 0.9, 0.1, 0.1], [50, 5, 10, 35])
WORKED = np.stack([1 - WORKED_POSITIVE, WORKED_POSITIVE], axis=1)


@pytest.mark.parametrize(("binary", "of"), [(True, ""), (True, "[yes]"), (False, "[yes]")])
def test_the_worked_example_of_fifty_five_ten_thirty_five(binary, of):
    found = counted(WORKED_LABELS, WORKED, ["no", "yes"], binary=binary).metrics()
    assert found[f"precision{of}"] == pytest.approx(50 / 55)
    assert found[f"recall{of}"] == pytest.approx(50 / 60)
    assert found[f"f1{of}"] == pytest.approx(0.870, abs=5e-4)
    assert found["accuracy"] == pytest.approx(0.85)
    assert found[f"auc{of}"] == pytest.approx(sk.roc_auc_score(WORKED_LABELS == "yes", WORKED_POSITIVE))
    assert found[CONFUSION_MATRIX].tolist() == [["", "no", "yes"], ["no", "35", "5"], ["yes", "10", "50"]]


@settings(deadline=None, max_examples=30)
@given(st.integers(5, 300), SEEDS)
def test_metrics_of_the_positive_class_are_those_of_the_last_class(examples, seed):
    labels, probabilities, names = draw(examples, 2, seed)
    found = counted(labels, probabilities, names, binary=True).metrics()
    truth, predicted = labels == "c1", probabilities[:, 1] >= 0.5
    assert found["precision"] == pytest.approx(sk.precision_score(truth, predicted, zero_division=0))
    assert found["recall"] == pytest.approx(sk.recall_score(truth, predicted, zero_division=0))
    assert found["f1"] == pytest.approx(sk.f1_score(truth, predicted, zero_division=0))
    if truth.any() and not truth.all():
        assert found["auc"] == pytest.approx(sk.roc_auc_score(truth, probabilities[:, 1]))
        assert found["pr_auc"] == pytest.approx(sk.average_precision_score(truth, probabilities[:, 1]))


def test_a_half_is_positive_and_of_equally_likely_classes_the_last_is_predicted():
    assert counted(["yes"], [[0.5, 0.5]], ["no", "yes"], binary=True).metrics()["recall"] == 1
    assert counted(["c"], [[0.2, 0.4, 0.4]], ["a", "b", "c"]).metrics()["accuracy"] == 1


@given(st.floats(0, 1, width=32))
def test_the_positive_class_is_predicted_from_a_half_on(probability):
    positive = np.float32(probability)
    found = counted(["yes"], [[np.float32(1) - positive, positive]], ["no", "yes"], binary=True).metrics()
    assert found["recall"] == (positive >= 0.5)


def test_more_than_two_classes_are_not_binary():
    with pytest.raises(ValueError, match="binary metrics expect two classes, and the model answers a, b, c"):
        counted(["a"], [[0.2, 0.3, 0.5]], ["a", "b", "c"], binary=True)


def test_names_without_a_class_are_those_of_a_binary_task_only():
    found = counted(*draw(30, 2, 1)).metrics()
    assert not {"precision", "recall", "f1", "auc", "pr_auc"} & set(found)


def test_top_errors_are_there_only_where_they_can_be_made():
    by_classes = {
        classes: {name for name in counted(*draw(40, classes, 2)).metrics() if name.startswith("top_")}
        for classes in (3, 4, 5, 6)
    }
    assert by_classes == {
        3: set(), 4: {"top_3_error"}, 5: {"top_3_error"}, 6: {"top_3_error", "top_5_error"}
    }  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 60), st.integers(1, 5), st.integers(0, 1000))
def test_any_partition_and_order_of_the_data_gives_the_same_metrics(examples, parts, seed):
    labels, probabilities, names = draw(examples, 6, seed)
    order = np.random.default_rng(seed).permutation(examples)
    merged = Classification()
    for part in np.array_split(order, parts):
        if len(part):
            merged.merge(pickle.loads(pickle.dumps(counted(labels[part], probabilities[part], names))))
    merged.merge(Classification())
    whole, found = counted(labels, probabilities, names).metrics(), merged.metrics()
    assert found[CONFUSION_MATRIX].tolist() == whole[CONFUSION_MATRIX].tolist()
    assert numbers(found) == pytest.approx(numbers(whole), nan_ok=True)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 200), st.integers(2, 6), SEEDS)
def test_the_confusion_matrix_equals_scikit_learn(examples, classes, seed):
    labels, probabilities, names = draw(examples, classes, seed)
    table = counted(labels, probabilities, names).metrics()[CONFUSION_MATRIX]
    expected = sk.confusion_matrix(labels, np.array(names)[probabilities.argmax(axis=1)], labels=names)
    assert table[0].tolist() == ["", *names]
    assert table[1:, 0].tolist() == names
    assert table[1:, 1:].astype(int).tolist() == expected.tolist()


def test_a_label_the_model_does_not_know_counts_against_it():
    found = counted(["a", "z"], [[0.9, 0.1], [0.9, 0.1]], ["a", "b"]).metrics()
    assert found["accuracy"] == 0.5
    assert found["recall[z]"] == 0
    assert found["recall_macro"] == 0.5
    assert found["precision[a]"] == 0.5
    assert found["calibration_error"] == pytest.approx(0.9 - 0.5)
    assert found[CONFUSION_MATRIX].tolist() == [
        ["", "a", "b"], ["a", "1", "0"], ["b", "0", "0"], ["z", "1", "0"]
    ]  # fmt: skip


def test_no_examples_give_no_metrics():
    assert Classification().metrics() == {}


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("others", [0, 3])
def test_one_answer_that_is_no_number_leaves_no_metric_looking_good(wrong, others):
    labels, right = ["a"] * (others + 1), [[0.99, 0.01]] * others
    found = counted(labels, [[wrong, wrong], *right], ["a", "b"], binary=True).metrics()
    assert all(math.isnan(value) for value in numbers(found).values())
    assert {"accuracy", "recall", "recall[a]", "recall_macro", "log_loss"} < set(found)


def test_certain_answers_have_a_finite_loss():
    found = counted(["a", "b"], [[1.0, 0.0], [1.0, 0.0]], ["a", "b"]).metrics()
    assert found["log_loss"] == pytest.approx(-math.log(1e-7) / 2)
    assert found["auc_macro"] == 0.5
    assert found["calibration_error"] == pytest.approx(0.5)


def test_of_very_many_classes_there_are_counts_instead_of_the_confusion_matrix():
    labels, probabilities, names = draw(50, 101, 3)
    found = counted(["new", *labels], [probabilities[0], *probabilities], names).metrics()
    assert CONFUSION_MATRIX not in found
    rows = {row[0]: row[1:] for row in found[CLASS_COUNTS].tolist()}
    assert rows.pop("new") == ["1", "", ""]
    said = np.array(names)[np.argmax(probabilities, axis=1)]
    truth = np.array(labels)
    first = said[0]
    for name, (actual, predicted, hits) in rows.items():
        assert int(actual) == (truth == name).sum()
        assert int(predicted) == (said == name).sum() + (first == name)  # the new one is said to be of it
        assert int(hits) == ((truth == name) & (said == name)).sum()
