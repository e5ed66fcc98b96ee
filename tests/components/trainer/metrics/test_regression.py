"""Regression metrics against scikit-learn and NumPy."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from components.trainer.metrics.packing import unpacked
from components.trainer.metrics.regression import PREDICTIONS, Regression

NUMBERS = st.floats(-1e6, 1e6).map(lambda number: round(number, 3))
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=60)


def numbers(tally: Regression) -> dict[str, float]:
    return {name: value for name, value in tally.metrics().items() if name != PREDICTIONS}


def counted(labels, predictions) -> Regression:
    tally = Regression()
    tally.add([np.array([label]) for label in labels], [{"prediction": np.array([p])} for p in predictions])
    return tally


def shown(tally: Regression) -> list[list[float]]:
    return sorted(unpacked(tally.metrics()[PREDICTIONS][0, 0], 2).tolist())


@settings(deadline=None)
@given(PAIRS)
def test_every_metric_equals_scikit_learn(pairs):
    labels, predictions = np.array(pairs).T
    found = numbers(counted(labels, predictions))
    expected = {
        "mse": sk.mean_squared_error(labels, predictions),
        "rmse": sk.root_mean_squared_error(labels, predictions),
        "mae": sk.mean_absolute_error(labels, predictions),
        "r2": sk.r2_score(labels, predictions) if len(set(labels)) > 1 else math.nan,
        "bias": np.mean(predictions - labels),
    }
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)


@settings(deadline=None)
@given(PAIRS, st.integers(1, 6), st.integers(0, 1000))
def test_any_partition_and_order_of_the_data_gives_the_same_metrics(pairs, parts, seed):
    values = np.array(pairs)
    merged = Regression()
    for part in np.array_split(np.random.default_rng(seed).permutation(len(pairs)), parts):
        if len(part):
            merged.merge(pickle.loads(pickle.dumps(counted(*values[part].T))))
    merged.merge(Regression())
    assert shown(merged) == shown(counted(*values.T))
    assert numbers(merged) == pytest.approx(numbers(counted(*values.T)), rel=1e-6, abs=1e-6, nan_ok=True)


def test_labels_far_from_zero_lose_no_digits():
    labels = 1e9 + np.random.default_rng(2).normal(size=4000)
    predictions = labels + 0.5 * np.random.default_rng(3).normal(size=4000)
    merged = Regression()
    for part in np.array_split(np.arange(4000), 40):
        merged.merge(counted(labels[part], predictions[part]))
    assert merged.metrics()["r2"] == pytest.approx(sk.r2_score(labels, predictions), abs=1e-6)


def test_scalars_are_as_good_as_arrays_of_one():
    tally = Regression()
    tally.add([1.0, 2.0], [{"prediction": 2.0}, {"prediction": 4.0}])
    assert tally.metrics()["mae"] == 1.5


@pytest.mark.parametrize("labels", [[3.0], [0.1] * 7])
def test_r2_is_undefined_where_all_labels_are_equal(labels):
    found = counted(labels, [label + 1 for label in labels]).metrics()
    assert math.isnan(found["r2"])
    assert found["mse"] == pytest.approx(1)


def test_r2_is_undefined_where_the_labels_differ_by_less_than_a_square_can_tell():
    assert math.isnan(counted([0.0, 1e-200], [0.0, 0.0]).metrics()["r2"])


def test_no_examples_give_no_metrics():
    assert Regression().metrics() == {}


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_one_prediction_that_is_no_number_leaves_no_metric_looking_good(wrong):
    found = numbers(counted([1.0, 2.0, 3.0], [1.0, wrong, 3.0]))
    assert not any(math.isfinite(value) for value in found.values())


def test_errors_too_large_to_be_squared_are_not_small():
    assert counted([0.0, 1.0], [1e200, 1.0]).metrics()["mse"] == math.inf


def test_up_to_a_thousand_labels_and_predictions_are_shown_as_they_are():
    random = np.random.default_rng(8)
    pairs = np.round(random.normal(size=(1000, 2)), 1)  # some of them equal
    assert shown(counted(*pairs.T)) == sorted(pairs.tolist())


def test_of_more_the_same_thousand_are_shown_however_the_data_is_divided():
    random = np.random.default_rng(8)
    pairs = np.round(random.normal(size=(5000, 2)), 2)
    expected = shown(counted(*pairs.T))
    merged = Regression()
    for part in np.array_split(random.permutation(5000), 7):
        merged.merge(counted(*pairs[part].T))
    assert shown(merged) == expected
    assert len(expected) == 1000
    assert {*map(tuple, expected)} <= {*map(tuple, pairs.tolist())}


def test_those_shown_are_like_all_others():
    pairs = np.random.default_rng(9).normal(3, 2, size=(20_000, 2))
    found = np.array(shown(counted(*pairs.T)))
    np.testing.assert_allclose(found.mean(axis=0), 3, atol=4 * 2 / math.sqrt(1000))
    np.testing.assert_allclose(found.std(axis=0), 2, rtol=0.1)


def test_a_prediction_that_is_no_number_is_not_shown():
    assert shown(counted([1.0, 2.0, 3.0], [1.5, math.nan, math.inf])) == [[1.0, 1.5]]
