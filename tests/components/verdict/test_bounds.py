"""Bounds on metrics: which end of the interval they are held against, and in which slices."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from components.verdict.bounds import value_bounds
from components.verdict.evaluation import SliceMetrics
from components.verdict.slices import slice_text
from pipeline.config import Gate, Threshold
from tests.components.verdict.evidence import evidence, of_counts

WORKED = of_counts(50, 10, 5, 35)  # precision 50/55 = 0.909, recall 50/60 = 0.833
FREE = Gate(correct_for_slices=False)


def decided(threshold: Threshold, *slices: SliceMetrics, gate: Gate = FREE, **more):
    return value_bounds(gate, [threshold], evidence(*slices, **more))


def passes(metric: str, bound: float, confidence: float | None) -> bool:
    (one,) = decided(Threshold(metric=metric, min=bound), WORKED, gate=Gate(confidence=confidence))
    return one.passed


@pytest.mark.parametrize(("metric", "hits", "total"), [("precision", 50, 55), ("recall", 50, 60)])
def test_the_decision_flips_at_the_value_or_at_the_pessimistic_end(metric, hits, total):
    value = hits / total
    assert passes(metric, value - 1e-9, None)
    assert not passes(metric, value + 1e-9, None)
    lower = stats.binomtest(hits, total).proportion_ci(0.95, method="exact").low
    assert passes(metric, lower - 1e-9, 0.95)
    assert not passes(metric, lower + 1e-9, 0.95)


@given(st.integers(0, 40), st.integers(1, 40), st.floats(0.01, 0.99))
def test_whatever_passes_with_an_interval_passes_without(hits, missed, bound):
    one, threshold = of_counts(hits, missed, 5, 40), Threshold(metric="recall", min=bound)
    (sure,) = decided(threshold, one)
    (point,) = decided(threshold, one, gate=Gate(confidence=None))
    assert point.passed or not sure.passed


def test_a_missed_bound_names_metric_slice_count_value_interval_bound_and_distance():
    (one,) = decided(Threshold(metric="recall", min=0.95), WORKED)
    lower = stats.binomtest(50, 60).proportion_ci(0.95, method="exact").low
    assert one.reason == (
        "recall is 0.8333 [0.7148, 0.9171] overall (100 sequences), 0.1167 below the bound 0.95"
    )
    assert (one.gate, one.metric, one.examples, one.bound, one.passed) == (
        "value",
        "recall",
        100,
        0.95,
        False,
    )
    assert (one.value, one.lower) == (pytest.approx(5 / 6), pytest.approx(lower))
    assert one.distance == pytest.approx(0.95 - lower)


def test_a_value_above_its_bound_whose_interval_is_not_says_how_many_more_sequences_it_takes():
    (one,) = decided(Threshold(metric="recall", min=0.75), WORKED)
    assert not one.passed
    assert "recall is 0.8333 [0.7148, 0.9171] overall" in one.reason
    assert one.reason.endswith("the lower end of the interval is 0.0352 below the bound 0.75")
    assert one.next_action.startswith("evaluate on about 3 times as many sequences")
    more = of_counts(150, 30, 15, 105)
    assert decided(Threshold(metric="recall", min=0.75), more)[0].passed


def test_an_upper_bound_is_met_by_the_upper_end():
    one = dataclasses.replace(WORKED, metrics={"log_loss": 0.4}, deviations={"log_loss": 0.05})
    reach = 0.05 * stats.t.ppf(0.975, 19)
    assert decided(Threshold(metric="log_loss", max=0.4 + reach + 1e-6), one)[0].passed
    (missed,) = decided(Threshold(metric="log_loss", max=0.45), one)
    assert not missed.passed
    assert f"the upper end of the interval is {reach - 0.05:.4f} above the bound 0.45" in missed.reason


SITES = [of_counts(45, 5, 3, 47, {"site": name}) for name in "abcd"]
BY_SITE = Threshold(metric="recall", min=0.75, slice="site")


def lower_end(hits: int, total: int, confidence: float) -> float:
    return stats.binomtest(hits, total).proportion_ci(confidence, method="exact").low


def test_the_slices_of_a_bound_are_tested_together():
    corrected = decided(BY_SITE, WORKED, *SITES, gate=Gate())
    alone = decided(BY_SITE, WORKED, *SITES)
    assert [one.slice for one in corrected] == [{"site": name} for name in "abcd"]
    for one, confidence in ((corrected[0], 1 - 0.05 / 4), (alone[0], 0.95)):
        assert one.lower == pytest.approx(lower_end(45, 50, confidence))


def test_what_passes_no_longer_weighs_on_the_others():
    good = [of_counts(99, 1, 3, 47, {"site": name}) for name in "abc"]
    fair = of_counts(88, 12, 3, 47, {"site": "z"})
    bound = Threshold(metric="recall", min=0.79, slice="site")
    assert lower_end(88, 100, 1 - 0.05 / 4) < 0.79 < lower_end(88, 100, 0.95)
    decisions = decided(bound, WORKED, *good, fair, gate=Gate())
    assert all(one.passed for one in decisions)
    assert decisions[-1].lower == pytest.approx(
        lower_end(88, 100, 0.95)
    )  # by itself, once the others are done
    poor = [of_counts(80, 20, 3, 47, {"site": name}) for name in "xy"]
    decisions = {one.slice["site"]: one for one in decided(bound, WORKED, *good, fair, *poor, gate=Gate())}
    assert [name for name, one in decisions.items() if not one.passed] == ["z", "x", "y"]
    assert decisions["z"].lower == pytest.approx(lower_end(88, 100, 1 - 0.05 / 3))


def step_down(p_values: list[float], alpha: float) -> list[bool]:
    """Holm's procedure as in the textbook: in the order of p, until the first that is not rejected."""
    order, passed = sorted(range(len(p_values)), key=p_values.__getitem__), [False] * len(p_values)
    for place, at in enumerate(order):
        if p_values[at] > alpha / (len(p_values) - place):
            break
        passed[at] = True
    return passed


@given(st.lists(st.integers(30, 60), min_size=1, max_size=8), st.floats(0.5, 0.95))
def test_the_slices_that_pass_are_those_of_holms_procedure(hits, bound):
    slices = [of_counts(one, 60 - one, 5, 20, {"site": str(at)}) for at, one in enumerate(hits)]
    p_values = [stats.binomtest(one, 60, bound, alternative="greater").pvalue for one in hits]
    decisions = decided(Threshold(metric="recall", min=bound, slice="site"), WORKED, *slices, gate=Gate())
    assert [one.passed for one in decisions] == step_down(p_values, 0.025)


@pytest.mark.parametrize(
    ("small_slices", "passed"), [("warn", [True, True]), ("fail", [True, False]), ("ignore", [True])]
)
def test_a_small_slice_is_not_judged_and_the_configuration_says_what_that_means(small_slices, passed):
    small = of_counts(1, 9, 0, 9, {"site": "z"})
    gate = Gate(min_slice_size=30, small_slices=small_slices)
    decisions = decided(BY_SITE, WORKED, SITES[0], small, gate=gate)
    assert sorted((one.passed for one in decisions), reverse=True) == passed
    for one in decisions:
        if one.gate == "slice_size":
            assert one.reason == (
                "recall was not judged on site=z (19 sequences), 10 of its class: gate.min_slice_size is 30"
            )
    large = next(one for one in decisions if one.gate == "value")
    expected = stats.binomtest(45, 50).proportion_ci(0.95, method="exact").low
    assert large.lower == pytest.approx(expected), "a slice that is not judged is no test to correct for"


def test_a_metric_of_a_class_needs_sequences_of_that_class():
    quiet = of_counts(0, 0, 1, 109, {"site": "quiet"})  # none of its payments is fraud
    few = of_counts(4, 1, 0, 200, {"site": "few"})
    for metric in ("recall", "recall[yes]", "precision[yes]", "f1"):
        bound = Threshold(metric=metric, min=0.5, slice="site")
        decisions = decided(bound, WORKED, SITES[0], quiet, few, gate=Gate())
        assert [(one.gate, one.passed) for one in decisions] == [
            ("slice_size", True), ("slice_size", True), ("value", True),
        ]  # fmt: skip
        assert decisions[0].reason == (
            f"{metric} was not judged on site=quiet (110 sequences), 0 of its class: "
            "gate.min_slice_size is 30"
        )
    (accuracy,) = decided(Threshold(metric="accuracy", min=0.9, slice="site"), WORKED, quiet, gate=Gate())
    assert (accuracy.gate, accuracy.passed) == ("value", True)


def test_overall_is_judged_however_small_it_is():
    (one,) = decided(Threshold(metric="recall", min=0.5), of_counts(3, 0, 0, 3), gate=Gate(min_slice_size=30))
    assert (one.gate, one.passed) == ("value", False)


def test_a_slice_that_training_has_and_the_evaluation_has_not_fails_with_its_own_reason():
    decisions = decided(BY_SITE, WORKED, SITES[0], train=[WORKED, *SITES[:2]])
    missing = next(one for one in decisions if one.gate == "missing_slice")
    assert not missing.passed
    assert missing.slice == {"site": "b"}
    assert missing.reason == (
        "the evaluation split has no sequence with site=b, and training has 100: recall cannot be judged "
        "there"
    )
    few = of_counts(3, 1, 1, 5, {"site": "y"})
    assert all(one.passed for one in decided(BY_SITE, WORKED, SITES[0], train=[WORKED, few, SITES[0]]))


def test_periods_of_training_need_not_come_again():
    by_time = Threshold(metric="recall", min=0.7, slice="time")
    now, before = (of_counts(45, 5, 3, 47, {"time": when}) for when in ("2026-02-01", "2026-01-01"))
    (one,) = decided(by_time, WORKED, now, train=[WORKED, before])
    assert (one.gate, one.passed) == ("value", True)


def test_a_bound_by_a_slice_that_nothing_has_fails():
    (one,) = decided(BY_SITE, WORKED)
    assert (one.gate, one.passed) == ("missing_slice", False)
    assert one.reason == "no sequence of the evaluation split has a site, and recall is bounded by it"


def test_nan_is_a_failure_that_says_so():
    one = dataclasses.replace(WORKED, metrics={"auc": None})
    (decision,) = decided(Threshold(metric="auc", min=0.5), one)
    assert not decision.passed
    assert decision.reason == "auc is undefined overall (100 sequences); the bound is at least 0.5"
    assert "check the evaluation split" in decision.next_action


def test_a_value_whose_spread_is_unknown_is_not_let_through():
    one = SliceMetrics({}, 100, {"rmse": 1.0})
    (decision,) = decided(Threshold(metric="rmse", max=9), one)
    assert not decision.passed
    assert "how sure that is could not be measured" in decision.reason


@pytest.mark.parametrize(
    ("metric", "one", "reason"),
    [
        ("recall[maybe]", WORKED, "recall[maybe] does not exist; the classes are no, yes"),
        (
            "perplexity",
            SliceMetrics({}, 9, {"mse": 1.0, "rmse": 1.0}),
            "perplexity does not exist; measured are mse, rmse",
        ),
        (
            "top_3_error",
            WORKED,
            "top_3_error does not exist; the model has no more than 3 classes",
        ),
    ],
)
def test_a_metric_that_does_not_exist_is_told_from_those_that_do(metric, one, reason):
    (decision,) = decided(Threshold(metric=metric, max=0.5), one)
    assert (decision.passed, decision.reason) == (False, reason)


def test_what_to_do_depends_on_how_training_went():
    bound = Threshold(metric="recall", min=0.95)
    by_heart = decided(bound, WORKED, train=[of_counts(99, 1, 1, 99)])[0].next_action
    assert "in training it is 0.9900: the model learnt its sequences by heart" in by_heart
    weak = decided(bound, WORKED, train=[of_counts(80, 20, 1, 99)])[0].next_action
    assert weak.startswith("in training it is 0.8000 itself; ")
    on_site = decided(Threshold(metric="recall", min=0.97, slice="site"), WORKED, SITES[0])[0].next_action
    assert on_site == "add training sequences with site=a, and look at the ones that fail"
    there = decided(Threshold(metric="recall", min=0.97, slice="site"), WORKED, SITES[0], train=[SITES[0]])[0]
    assert there.next_action.startswith("in training it is 0.9000 there; add training sequences with site=a")


def test_slices_read_as_people_say_them():
    assert slice_text({}) == "overall"
    assert slice_text({"label": "a", "sequence_length": "3-5"}) == "label=a, sequence_length=3-5"
    assert slice_text({"site": ""}) == 'site=""'
    assert slice_text({"site": "one\n1799 served\x1b[2J"}) == "site=one 1799 served [2J"
    assert slice_text({"site": "x" * 3000}) == f"site={'x' * 60}…"
