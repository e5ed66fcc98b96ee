"""Curves and calibration against scikit-learn: exact while scores are few, close when they are many."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn import calibration
from sklearn import metrics as sk

from components.trainer.metrics.classification import Classification
from components.trainer.metrics.curves import CURVES, Curve, read
from components.trainer.metrics.scores import counted, merged


def of(probabilities, truth, parts: int = 1) -> dict:
    """A class's curves, its scores counted in parts."""
    probabilities, truth = np.asarray(probabilities, np.float32).astype(float), np.asarray(truth, bool)
    with np.errstate(divide="ignore"):
        log_odds = np.log(probabilities) - np.log1p(-probabilities)
    together = counted(np.zeros(0), np.zeros(0, bool))
    for part in np.array_split(np.arange(len(truth)), parts):
        together = merged(together, counted(log_odds[part], truth[part]))
    return json.loads(json.dumps(Curve.of(together).as_json(), allow_nan=False))


def draw(sequences: int, share: float, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities in float32, as models answer, and which sequences are positives."""
    random = np.random.default_rng(seed)
    truth = random.random(sequences) < share
    return special.expit(random.normal(size=sequences) + 2 * truth - 1).astype(np.float32), truth


def test_a_worked_example():
    found = of([0.9, 0.5, 0.5, 0.25, 0.0], [True, True, False, False, False])
    assert (found["negatives"], found["positives"]) == (3, 2)
    assert found["points"] == [
        [None, 0, 0], [pytest.approx(0.9), 0, 1], [0.5, 1, 2], [0.25, 2, 2], [0.0, 3, 2],
    ]  # fmt: skip
    assert found["calibration"] == [
        {"from": 0.0, "to": 0.1, "sequences": 1, "positives": 0, "mean_probability": 0.0},
        {"from": 0.2, "to": 0.3, "sequences": 1, "positives": 0, "mean_probability": 0.25},
        {"from": 0.4, "to": 0.5, "sequences": 2, "positives": 1, "mean_probability": 0.5},
        {"from": 0.8, "to": 0.9, "sequences": 1, "positives": 1, "mean_probability": pytest.approx(0.9)},
    ]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([0, 1e-6, 0.1, 0.3, 0.5, 0.7, 1]), st.booleans()), min_size=1),
    st.integers(1, 5),
)
def test_of_few_scores_every_threshold_is_exact(examples, parts):
    probabilities = np.array([probability for probability, _ in examples], np.float32).astype(float)
    truth = np.array([positive for _, positive in examples])
    points = of(probabilities, truth, parts)["points"]
    distinct = np.unique(probabilities)[::-1]
    assert [threshold for threshold, _, _ in points] == [None, *distinct]
    for threshold, false, true in points[1:]:
        said = probabilities >= threshold
        assert (false, true) == (np.sum(said & ~truth), np.sum(said & truth))


@pytest.mark.parametrize("sequences", [150, 3000])
def test_the_points_lie_on_scikit_learn_s_curves(sequences):
    probabilities, truth = draw(sequences, 0.3)
    found = of(probabilities, truth, 3)
    points = np.array(found["points"][1:], float)
    false, true, thresholds = sk.roc_curve(truth, probabilities, drop_intermediate=False)
    at = np.searchsorted(-thresholds, -points[:, 0])
    np.testing.assert_array_equal(thresholds[at], points[:, 0])
    np.testing.assert_allclose(points[:, 1] / found["negatives"], false[at])
    np.testing.assert_allclose(points[:, 2] / found["positives"], true[at])
    precision, recall, thresholds = sk.precision_recall_curve(truth, probabilities)
    at = np.searchsorted(thresholds, points[:, 0])
    np.testing.assert_allclose(points[:, 2] / points[:, 1:].sum(axis=1), precision[at])
    np.testing.assert_allclose(points[:, 2] / found["positives"], recall[at])
    assert len(points) == min(sequences, 200)


@pytest.mark.parametrize("share", [0.5, 0.01, 0.99])
@pytest.mark.parametrize("sequences", [3000, 60_000])
def test_of_many_scores_two_hundred_points_stay_close_to_the_curves(sequences, share):
    probabilities, truth = draw(sequences, share)
    found = of(probabilities, truth, sequences // 1000)
    points = np.array([[1.0, *point[1:]] for point in found["points"]])
    assert len(points) <= 201
    assert found["points"][-1][1:] == [(~truth).sum(), truth.sum()]
    false, true = points[:, 1] / found["negatives"], points[:, 2] / found["positives"]
    assert sk.auc(false, true) == pytest.approx(sk.roc_auc_score(truth, probabilities), abs=0.003)
    precision = points[1:, 2] / points[1:, 1:].sum(axis=1)
    area = np.sum(np.diff(true) * precision)
    assert area == pytest.approx(sk.average_precision_score(truth, probabilities), abs=0.015)


def test_thresholds_fall_and_counts_rise():
    probabilities, truth = draw(50_000, 0.1)
    points = np.array(of(probabilities, truth, 50)["points"][1:], float)
    assert (np.diff(points[:, 0]) < 0).all()
    assert (np.diff(points[:, 1:], axis=0) >= 0).all()


@pytest.mark.parametrize("sequences", [150, 8000])
def test_calibration_is_that_of_scikit_learn(sequences):
    probabilities, truth = draw(sequences, 0.4)
    found = of(probabilities, truth, 4)["calibration"]
    rates, means = calibration.calibration_curve(truth, probabilities.astype(float), n_bins=10)
    assert [one["positives"] / one["sequences"] for one in found] == pytest.approx(rates)
    assert [one["mean_probability"] for one in found] == pytest.approx(means)
    assert sum(one["sequences"] for one in found) == sequences
    assert all(one["from"] < one["mean_probability"] <= one["to"] for one in found)


@pytest.mark.parametrize("truth", [[True, True], [False, False]])
def test_where_one_side_is_missing_there_are_points_all_the_same(truth):
    found = of([0.25, 0.75], truth)
    assert [found["negatives"], found["positives"]] == found["points"][-1][1:] == [2 - sum(truth), sum(truth)]


def tallied(labels, probabilities, classes, **how) -> dict:
    tally = Classification(**how)
    tally.add_columns(np.array(labels), np.array(probabilities), classes)
    return tally.metrics()


def test_of_two_classes_the_positive_one_is_shown():
    found = read(tallied(["no", "yes"], [[0.75, 0.25], [0.25, 0.75]], ["no", "yes"], binary=True)[CURVES])
    assert list(found) == ["yes"]
    assert found["yes"].as_json()["points"] == [[None, 0, 0], [0.75, 0, 1], [0.25, 1, 1]]


def test_of_many_classes_those_with_most_sequences_are_shown_in_the_model_s_order():
    classes = [f"c{place}" for place in range(30)]
    labels = np.repeat(classes, [*[2] * 5, *[1] * 5, *[3] * 20])
    found = read(tallied(labels, np.full((len(labels), 30), 1 / 30), classes)[CURVES])
    assert list(found) == classes[10:]
    few = read(tallied(labels[:10], np.full((10, 30), 1 / 30), classes)[CURVES])
    assert list(few) == classes[:20]


def test_answers_that_are_not_finite_have_no_curves():
    assert CURVES not in tallied(["a", "b"], [[np.nan, 0.5], [0.5, 0.5]], ["a", "b"])


def test_a_class_name_of_any_characters_survives():
    names = ["naïve, \n☃", ""]
    assert list(read(tallied(names, np.eye(2), names)[CURVES])) == names
