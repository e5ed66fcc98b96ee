"""Intervals against exact tests, worked examples and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from components.verdict.evaluation import SliceMetrics
from components.verdict.intervals import Interval, area, interval, share
from tests.components.verdict.evidence import of_counts, slice_of


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_a_share_has_the_limits_of_the_exact_test(hits, missed, confidence):
    lower, upper = share(np.array([float(hits)]), np.array([float(hits + missed)]), confidence)
    if hits + missed == 0:
        assert (lower[0], upper[0]) == (0, 1)
        return
    expected = stats.binomtest(hits, hits + missed).proportion_ci(confidence, method="exact")
    assert (lower[0], upper[0]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_five_of_five_is_no_certainty():
    found = interval("recall", of_counts(5, 0, 0, 50), 0.95)
    assert found.lower == pytest.approx(0.025 ** (1 / 5))  # by hand: p^5 = 0.025
    assert found.upper == 1


def test_every_share_of_the_worked_example_is_judged_by_its_own_count():
    one = of_counts(50, 10, 5, 35)
    for metric, hits, total in [
        ("recall", 50, 60), ("precision", 50, 55), ("accuracy", 85, 100),
        ("recall[no]", 35, 40), ("precision[no]", 35, 45),
    ]:  # fmt: skip
        expected = stats.binomtest(hits, total).proportion_ci(0.95, method="exact")
        assert interval(metric, one, 0.95) == Interval(
            pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high, abs=1e-9)
        )
    jaccard = stats.binomtest(50, 65).proportion_ci(0.95, method="exact")
    assert interval("f1", one, 0.95).lower == pytest.approx(2 * jaccard.low / (1 + jaccard.low))


def test_the_limits_of_an_area_lie_z_deviations_of_hanley_and_mcneil_away():
    values, positives, negatives = (
        np.array([0.5, 0.8, 0.97]),
        np.array([20.0, 50, 9]),
        np.array([30.0, 7, 200]),
    )
    for limit in area(values, positives, negatives, 0.9):
        typical = (positives + negatives) / 2 - 1
        spread = 1 + typical * (1 - limit) / (2 - limit) + typical * limit / (1 + limit)
        deviation = np.sqrt(limit * (1 - limit) * spread / (positives * negatives))
        np.testing.assert_allclose(abs(values - limit) / deviation, stats.norm.ppf(0.95), atol=1e-6)


def test_a_perfect_area_keeps_a_width_that_shrinks_with_the_sequences():
    lower, upper = area(np.ones(2), np.array([5.0, 500]), np.array([5.0, 500]), 0.95)
    assert 0.4 < lower[0] < 0.9 < lower[1] < 1
    assert upper.tolist() == [1, 1]


def covered(metric: str, truth_of_all: float, draws: list[SliceMetrics]) -> float:
    found = [interval(metric, one, 0.9) for one in draws]
    return np.mean([one.lower <= truth_of_all <= one.upper for one in found])


CLASSES = ["a", "b", "c"]
RATES = np.array([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.02, 0.08, 0.9]])
SHARES = np.array([0.5, 0.3, 0.2])


def drawn(random: np.random.Generator, size: int) -> SliceMetrics:
    truth = random.choice(3, size, p=SHARES)
    said = (random.random(size)[:, None] > RATES[truth].cumsum(axis=1)).sum(axis=1)
    return slice_of([CLASSES[at] for at in truth], np.eye(3)[said] * 0.9 + 0.03, CLASSES)


@pytest.mark.parametrize("metric", ["recall_macro", "precision_macro", "f1_macro", "f1[b]", "accuracy"])
def test_an_interval_of_ninety_percent_holds_the_truth_in_nine_of_ten_samples(metric):
    joint = SHARES[:, None] * RATES
    true = {
        "recall": np.diag(RATES),
        "precision": np.diag(joint) / joint.sum(axis=0),
        "f1": 2 * np.diag(joint) / (joint.sum(axis=0) + SHARES),
        "accuracy": np.full(3, np.trace(joint)),
    }
    name = metric.partition("_")[0].partition("[")[0]
    expected = true[name][1] if "[" in metric else true[name].mean()
    random = np.random.default_rng(3)
    assert covered(metric, expected, [drawn(random, 120) for _ in range(300)]) >= 0.87  # 3 deviations below


def test_the_interval_of_an_area_holds_the_truth_in_nine_of_ten_samples():
    random, draws = np.random.default_rng(4), []
    for _ in range(300):
        truth = random.random(100) < 0.3
        said = stats.norm.cdf(random.normal(size=100) + 1.2 * truth)
        labels = ["yes" if one else "no" for one in truth]
        draws.append(slice_of(labels, np.stack([1 - said, said], axis=1), ["no", "yes"], binary=True))
        assert draws[-1].metrics["auc"] == pytest.approx(sk.roc_auc_score(truth, said))
    assert covered("auc", stats.norm.cdf(1.2 / np.sqrt(2)), draws) >= 0.87
    assert covered("pr_auc", np.mean([one.metrics["pr_auc"] for one in draws]), draws) >= 0.87


def test_what_is_no_share_has_the_bootstraps_interval_of_student():
    one = SliceMetrics({}, 100, {"rmse": 3.0, "mae": 2.0, "r2": None}, deviations={"rmse": 0.1})
    reach = 0.1 * stats.t.ppf(0.975, 19)
    found = interval("rmse", one, 0.95)
    assert (found.lower, found.upper) == pytest.approx((3 - reach, 3 + reach))
    assert interval("mae", one, 0.95) is None  # TFMA could not resample it
    assert interval("r2", one, 0.95) is None
    assert interval("rmse", one, None) == Interval(3.0, 3.0)


def test_more_confidence_is_never_narrower():
    one = of_counts(50, 10, 5, 35)
    for metric in ("recall", "precision", "f1", "auc", "pr_auc", "accuracy", "recall_macro", "auc_macro"):
        narrow, wide = interval(metric, one, 0.8), interval(metric, one, 0.99)
        assert wide.lower < narrow.lower < narrow.upper <= wide.upper


def test_a_class_that_does_not_occur_leaves_the_others_their_intervals():
    truth = ["a"] * 30 + ["b"] * 40
    said = np.array([[0.7, 0.2, 0.1]] * 25 + [[0.2, 0.7, 0.1]] * 40 + [[0.1, 0.1, 0.8]] * 5)
    one = slice_of(truth, said, CLASSES)
    assert interval("auc[c]", one, 0.95) is None
    assert interval("recall[c]", one, 0.95) == Interval(0.0, 1.0)  # nothing is known of it
    for metric in ("auc[a]", "auc_macro", "recall_macro", "precision_macro", "f1_macro", "pr_auc_macro"):
        found = interval(metric, one, 0.95)
        assert found.lower < one.metrics[metric] < found.upper or one.metrics[metric] == found.upper
    alone = slice_of(["a"] * 30, said[:30], CLASSES, {"label": "a"})
    assert interval("auc_macro", alone, 0.95) is None
    assert interval("recall_macro", alone, 0.95) == interval("recall[a]", alone, 0.95)


def test_a_class_that_the_model_does_not_know_counts_as_missed():
    one = slice_of(["a"] * 50 + ["new"] * 50, [[0.8, 0.1, 0.1]] * 100, CLASSES)
    found = interval("recall_macro", one, 0.95)
    assert one.metrics["recall_macro"] == 0.5
    assert found.lower < 0.5 < found.upper < 0.6
    assert interval("recall[new]", one, 0.95).upper < 0.08
