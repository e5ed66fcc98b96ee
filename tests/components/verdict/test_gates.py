"""The whole verdict on a model: the cases that a green build lets through."""

import dataclasses

import numpy as np
import pytest

from components.verdict.evaluation import Evidence, SliceMetrics
from components.verdict.gates import held_to, judge
from tests.components.verdict.evidence import configured, evidence, of_counts, slice_of

# 10,000 payments, 200 of them fraud: 24 are found, 24 others are reported.
FRAUD = of_counts(hits=24, missed=176, false=24, rest=9776)
TRIVIAL = {"majority_class": {"auc_macro": 0.5, "rmse": 5.0, "r2": 0.0, "perplexity": 30.0}}


def judged(config, found: Evidence) -> list:
    return judge(config, dataclasses.replace(found, trivial=TRIVIAL))


@pytest.mark.parametrize("gate", [{}, {"thresholds": ["default", {"metric": "accuracy", "min": 0.95}]}])
def test_a_fraud_model_with_98_percent_accuracy_and_12_percent_recall_is_refused(gate):
    assert FRAUD.metrics["accuracy"] == pytest.approx(0.98)
    assert FRAUD.metrics["recall"] == pytest.approx(0.12)
    decisions = judged(configured(**gate), evidence(FRAUD, train=[FRAUD]))
    failed = [one for one in decisions if not one.passed]
    assert "recall[yes]" in [one.metric for one in failed]
    worst = failed[0]
    assert worst.metric == "recall[yes]", "the one that misses by most comes first"
    assert worst.reason == (
        "recall[yes] is 0.1200 [0.0784, 0.1733] overall (10,000 sequences), 0.4800 below the bound 0.6"
    )
    if gate:
        assert next(one for one in decisions if one.metric == "accuracy" and one.gate == "value").passed


def test_accuracy_alone_would_have_let_it_through():
    decisions = judged(
        configured(thresholds=[{"metric": "accuracy", "min": 0.95}], beat_trivial_by=None), evidence(FRAUD)
    )
    assert all(one.passed for one in decisions)


def test_the_rarer_class_is_held_to_the_default_policy_whichever_it_is():
    common = of_counts(hits=900, missed=10, false=60, rest=30)
    assert [one.metric for one in held_to(configured(), common)] == ["precision[no]", "recall[no]"]
    assert [one.metric for one in held_to(configured(), FRAUD)] == ["precision[yes]", "recall[yes]"]
    assert [one.metric for one in held_to(configured(), of_counts(5, 5, 5, 5))] == [
        "precision[yes]", "recall[yes]",
    ]  # fmt: skip


def test_a_model_that_guesses_is_refused_whatever_it_guesses():
    random = np.random.default_rng(2)
    for seed in range(50):
        truth = random.choice(["no", "yes"], 200)
        share = [0.0, 0.5, 1.0][seed % 3]
        said = np.where(random.random(200) < share, 0.9, 0.1)
        one = slice_of(list(truth), np.stack([1 - said, said], axis=1), ["no", "yes"], binary=True)
        assert not all(decision.passed for decision in judged(configured(), evidence(one)))


def test_many_classes_are_held_to_their_mean_and_to_the_worst():
    truth = np.repeat(["a", "b", "c"], [100, 100, 40])
    said = np.repeat([0, 1, 2, 0], [100, 100, 4, 36])  # of c one in ten is found
    probabilities = np.eye(3)[said] * 0.9 + 0.03
    slices = [slice_of(list(truth), probabilities, "abc")]
    slices += [
        slice_of(list(truth[truth == c]), probabilities[truth == c], "abc", {"label": c}) for c in "abc"
    ]
    failed = [one for one in judged(configured("multiclass"), evidence(*slices)) if not one.passed]
    assert [(one.metric, dict(one.slice)) for one in failed if one.gate == "value"] == [
        ("recall_macro", {"label": "c"})
    ]


@pytest.mark.parametrize(
    ("task", "found", "passes"),
    [
        ("regression", {"rmse": 2.0, "mse": 4.0, "r2": 0.8}, True),
        ("regression", {"rmse": 4.95, "mse": 24.5, "r2": 0.02}, False),
        ("generation", {"perplexity": 5.0, "log_loss": 1.6}, True),
        ("generation", {"perplexity": 29.9, "log_loss": 3.4}, False),
    ],
)
def test_without_bounds_regression_and_generation_have_to_beat_the_trivial_models(task, found, passes):
    one = SliceMetrics({}, 500, found, deviations=dict.fromkeys(found, 0.01))
    decisions = judged(configured(task), evidence(one))
    assert all(decision.passed for decision in decisions) == passes
    assert {"trivial"} <= {decision.gate for decision in decisions}


def test_an_empty_evaluation_split_is_refused_with_one_sentence():
    for nothing in (evidence(), evidence(SliceMetrics({}, 0, {}))):
        (decision,) = judged(configured(), nothing)
        assert not decision.passed
        assert decision.reason == "the evaluation split is empty: nothing was measured"


def test_answers_that_are_no_number_are_refused():
    one = slice_of(["no", "yes"] * 50, np.full((100, 2), np.nan), ["no", "yes"], binary=True)
    decisions = judged(configured(), evidence(one))
    assert not any(decision.passed for decision in decisions if decision.gate in ("value", "trivial"))
    assert "recall[yes] is undefined overall (100 sequences)" in "\n".join(d.reason for d in decisions)


def test_a_forced_model_still_has_to_meet_its_bounds():
    config = configured(thresholds=[{"metric": "recall", "min": 0.8}])
    found = evidence(FRAUD, no_baseline="the last blessed model knows other classes")
    failed = [one.gate for one in judge(config, found, "new labels") if not one.passed]
    assert failed == ["value"]
    assert "drop" in [one.gate for one in judge(config, found) if not one.passed]


def test_failed_decisions_come_first():
    config = configured(thresholds=[{"metric": "accuracy", "min": 0.5}, {"metric": "recall", "min": 0.8}])
    passed = [one.passed for one in judged(config, evidence(FRAUD))]
    assert passed == sorted(passed)
