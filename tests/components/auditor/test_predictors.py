"""Held-out estimates against SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LinearRegression

from components.auditor.predictors import correlation_ratios, cross_fitted, explained, judged


def noisy(seed=0, count=400, flipped=0.1):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    wrong = random.random(count) < flipped
    return np.where(wrong, 1 - labels, labels), labels, np.arange(count) % 2 == 0


def test_skill_errors_and_p_value_are_those_of_scikit_learn_and_fisher():
    told, labels, _ = noisy()
    held = judged(told, labels, 2)
    assert held.errors == (told != labels).sum()
    assert held.baseline == min(np.bincount(labels))
    # For two classes Youden's J is balanced accuracy, adjusted for guessing.
    assert held.skill == pytest.approx(sk.balanced_accuracy_score(labels, told, adjusted=True))
    both = [stats.fisher_exact(table, "greater")[1] for table in tables(told, labels, 2)]
    assert held.p_value == pytest.approx(2 * min(both), rel=1e-6)


def test_a_class_told_perfectly_counts_whatever_the_others():
    labels = np.repeat([0, 1, 2], 100)
    told = np.where(labels == 2, 2, 0)
    held = judged(told, labels, 3)
    assert (held.skill, held.best, held.best_errors, held.errors) == (1.0, 2, 0, 100)
    assert 0.85 < held.skill_low < 1


def tables(told, labels, classes):
    for label in range(classes):
        yield [
            [np.sum((told == label) & (labels == label)), np.sum((told == label) & (labels != label))],
            [np.sum((told != label) & (labels == label)), np.sum((told != label) & (labels != label))],
        ]


def test_the_lower_bound_holds_nearly_always():
    low = [judged(*noisy(seed, 60)[:2], 2).skill_low for seed in range(500)]
    assert np.mean(np.array(low) > 0.8) <= 0.01  # the true skill is 0.8
    assert np.mean(low) > 0.4


def test_correlation_ratios_follow_from_the_f_statistic():
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 300)
    values = random.normal(size=(300, 4)) + labels[:, None] * np.array([0.0, 0.5, 2.0, 50.0])
    f, _ = f_classif(values, labels)
    expected = f * 2 / (f * 2 + 297)
    np.testing.assert_allclose(correlation_ratios(values, labels, 3), expected, rtol=1e-9)
    assert correlation_ratios(np.full((300, 1), 7.0), labels, 3).tolist() == [0.0]


def test_a_step_in_the_values_is_found_wherever_it_is():
    random = np.random.default_rng(2)
    values = random.normal(size=1000)
    for share in (0.5, 0.02):
        labels = (values > np.quantile(values, 1 - share)).astype(int)
        told = cross_fitted(values, labels, np.arange(1000) % 2 == 0, 2)
        assert judged(told, labels, 2).skill > 0.9


def test_codes_of_any_order_and_missing_values_are_told():
    random = np.random.default_rng(3)
    codes = random.integers(0, 10, 600)
    labels = (codes % 2 == 0).astype(int)
    values = np.where(codes == 4, np.nan, codes.astype(float))
    told = cross_fitted(values, labels, np.arange(600) % 2 == 0, 2)
    assert judged(told, labels, 2).errors == 0


def test_what_is_told_of_one_half_comes_from_the_other():
    # Each half's labels contradict the other's: whoever looks at the right half is always wrong.
    labels = np.array([0, 1, 0, 1] * 50 + [1, 0, 1, 0] * 50)
    values = np.array([0.0, 1.0, 0.0, 1.0] * 100)
    told = cross_fitted(values, labels, np.arange(400) < 200, 2)
    assert judged(told, labels, 2).errors == 400


def test_explained_variance_is_that_of_a_held_out_line():
    random = np.random.default_rng(4)
    values = random.normal(size=500)
    truth = 3 * values + random.normal(size=500)
    fold = np.arange(500) % 2 == 0
    predicted = np.zeros(500)
    for fit in (fold, ~fold):
        line = LinearRegression().fit(values[fit, None], truth[fit])
        predicted[~fit] = line.predict(values[~fit, None])
    expected = max(sk.r2_score(truth, predicted), stats.spearmanr(values, truth)[0] ** 2)
    assert explained(values, truth, fold) == pytest.approx(expected)
    assert explained(np.exp(truth), truth, fold) == pytest.approx(1.0)  # ranks see through the curve
    assert explained(np.ones(500), truth, fold) == 0.0
