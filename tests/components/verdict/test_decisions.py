"""Decisions: what TFMA missed, in words people can act on."""

from components.verdict.decisions import decide
from components.verdict.evaluation import SliceMetrics
from components.verdict.slices import slice_text
from pipeline.config import Threshold

OVERALL = SliceMetrics({}, 200, {"accuracy": 0.9, "auc_macro": 0.95})
PEAK = SliceMetrics({"label": "peak"}, 67, {"accuracy": 0.72, "auc_macro": None})
RISING = SliceMetrics({"label": "rising"}, 1, {"accuracy": 1.0, "auc_macro": None})
EVALUATION = [OVERALL, PEAK, RISING]


def test_a_bound_without_slice_is_held_against_overall_only():
    (decision,) = decide([Threshold(metric="accuracy", min=0.8)], EVALUATION, set())
    assert (decision.slice, decision.value, decision.passed) == ({}, 0.9, True)


def test_a_missed_bound_names_metric_slice_count_value_bound_and_distance():
    missed = {((("label", "peak"),), "accuracy", "min", 0.75)}
    decisions = decide([Threshold(metric="accuracy", min=0.75, slice="label")], EVALUATION, missed)
    assert [decision.passed for decision in decisions] == [False, True]
    assert decisions[0].reason == (
        "accuracy is 0.7200 on label=peak (67 sequences), 0.0300 below the bound 0.75"
    )
    assert "label=peak" in decisions[0].next_action
    assert (
        decisions[1].reason == "accuracy is 1.0000 on label=rising (1 sequence); the bound is at least 0.75"
    )


def test_lower_and_upper_bound_are_two_decisions():
    missed = {((), "accuracy", "max", 0.85)}
    decisions = decide([Threshold(metric="accuracy", min=0.5, max=0.85)], EVALUATION, missed)
    assert [(decision.bound, decision.passed) for decision in decisions] == [(0.85, False), (0.5, True)]
    assert "0.0500 above the bound 0.85" in decisions[0].reason


def test_an_undefined_metric_says_so():
    missed = {((("label", "peak"),), "auc_macro", "min", 0.5)}
    decision = decide([Threshold(metric="auc_macro", min=0.5, slice="label")], [OVERALL, PEAK], missed)[0]
    assert "auc_macro is undefined on label=peak" in decision.reason
    assert decision.value is None


def test_a_class_that_does_not_exist_is_told_from_those_that_do():
    overall = SliceMetrics({}, 9, {"recall[stop]": 0.5, "recall[go]": 0.5})
    missed = {((), "recall[stpo]", "min", 0.1)}
    (decision,) = decide([Threshold(metric="recall[stpo]", min=0.1)], [overall], missed)
    assert decision.reason == "recall[stpo] does not exist; the classes are stop, go"


def failed(metric: str, found: dict, **bound: float):
    ((side, value),) = bound.items()
    missed = {((), metric, side, value)}
    return decide([Threshold(metric=metric, **bound)], [SliceMetrics({}, 9, found)], missed)[0]


def test_a_top_error_of_too_few_classes_says_so():
    found = {f"recall[{c}]": 0.5 for c in "abc"} | {"accuracy": 0.5}
    assert failed("top_3_error", found, max=0.1).reason == (
        "top_3_error does not exist; the model has no more than 3 classes"
    )


def test_a_metric_of_another_kind_of_sequence_is_told_from_those_measured():
    decision = failed("perplexity", {"mse": 1.0, "rmse": 1.0, "mae": 1.0}, max=9)
    assert decision.reason == "perplexity does not exist; measured are mse, rmse, mae"
    assert decision.next_action == "give the bound for a metric that there is"


def test_an_error_that_is_too_high_is_driven_up_not_pulled_down():
    decision = failed("mse", {"mse": 6.5}, max=4)
    assert decision.reason == "mse is 6.5000 overall (9 sequences), 2.5000 above the bound 4"
    assert "which slices drive it up" in decision.next_action


def test_what_is_undefined_without_classes_does_not_speak_of_a_class():
    decision = failed("r2", {"r2": None}, min=0.5)
    assert decision.reason == "r2 is undefined overall (9 sequences); the bound is at least 0.5"
    assert "class" not in decision.next_action


def test_a_slice_that_does_not_occur_fails_with_its_own_reason():
    (decision,) = decide([Threshold(metric="accuracy", min=0.5, slice="sequence_length")], EVALUATION, set())
    assert not decision.passed
    assert "no sequence of the evaluation split has a sequence_length" in decision.reason


def test_slices_read_as_people_say_them():
    assert slice_text({}) == "overall"
    assert slice_text({"label": "a", "sequence_length": "3-5"}) == "label=a, sequence_length=3-5"
