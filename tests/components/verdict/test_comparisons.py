"""What a model is compared with: its training, trivial models, the last blessed model, and belief."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from components.verdict.comparisons import beats_trivial, force, no_drop, overfit, suspicion
from components.verdict.evaluation import Evaluated, Evidence, SliceMetrics
from pipeline.config import Gate
from tests.components.verdict.evidence import evidence, of_counts

GOOD, WORSE = of_counts(90, 10, 10, 90), of_counts(80, 20, 10, 90)


def gap(metric: str, train: dict, found: dict, most: float = 0.1):
    trained, overall = SliceMetrics({}, 500, train), SliceMetrics({}, 100, found)
    decisions = overfit(Gate(max_overfit_gap=most), [metric], evidence(overall, train=[trained]))
    return decisions[0]


@pytest.mark.parametrize(
    ("metric", "train", "found", "expected"),
    [
        ("recall", {"recall": 1.0}, {"recall": 0.5}, 0.5),
        ("log_loss", {"log_loss": 0.1}, {"log_loss": 0.7}, 0.6),
        ("perplexity", {"perplexity": 4.0}, {"perplexity": 8.0}, math.log(2)),
        ("bleu", {"bleu": 90.0}, {"bleu": 30.0}, 0.6),
        # r2 0.75 and mse 4 mean labels with a variance of 16, so a deviation of 4
        ("rmse", {"rmse": 1.0}, {"rmse": 2.0, "mse": 4.0, "r2": 0.75}, 0.25),
        ("mse", {"mse": 1.0}, {"mse": 4.0, "r2": 0.75}, 3 / 16),
    ],
)
def test_the_gap_is_how_much_worse_the_evaluation_is_than_training(metric, train, found, expected):
    decision = gap(metric, train, found)
    assert not decision.passed
    assert f"a gap of {expected:.4f}" in decision.reason
    assert decision.baseline == train[metric]
    assert "by heart" in decision.next_action
    assert gap(metric, train, found, most=expected + 1e-9).passed
    assert gap(metric, found | train, {**found, metric: train[metric]}).passed


def test_the_deviation_of_the_labels_follows_from_error_and_r2():
    random = np.random.default_rng(5)
    truth = random.normal(10, 7, 400)
    predicted = truth + random.normal(0, 3, 400)
    found = {
        "rmse": math.sqrt(sk.mean_squared_error(truth, predicted)),
        "mse": sk.mean_squared_error(truth, predicted),
        "r2": sk.r2_score(truth, predicted),
    }
    expected = found["rmse"] / truth.std()
    assert (
        f"a gap of {expected:.4f} standard deviations of the label"
        in gap("rmse", {"rmse": 0.0}, found).reason
    )


def test_a_model_without_any_error_has_no_gap():
    perfect = {"rmse": 1e-12, "mse": 1e-24, "r2": 1.0}
    assert gap("rmse", perfect, perfect).passed


def test_a_gap_that_may_be_chance_is_told_and_passes():
    few, many = of_counts(8, 2, 2, 8), of_counts(80, 20, 20, 80)
    trained = of_counts(95, 5, 5, 95)
    by_chance, real = (overfit(Gate(), ["recall"], evidence(one, train=[trained]))[0] for one in (few, many))
    assert by_chance.passed
    assert by_chance.reason.endswith("a gap of 0.1500; the most is 0.1, and this one may be chance")
    assert by_chance.lower < 0.95 < by_chance.upper
    assert not real.passed


def test_without_a_training_evaluation_or_a_limit_there_is_no_gap_to_judge():
    assert overfit(Gate(), ["recall"], evidence(GOOD)) == []
    assert overfit(Gate(max_overfit_gap=None), ["recall"], evidence(GOOD, train=[GOOD])) == []


def beaten(one: SliceMetrics, metric: str = "auc_macro", by: float = 0.02, **trivial: float | None):
    models = {name: {metric: value} for name, value in trivial.items()}
    (decision,) = beats_trivial(Gate(beat_trivial_by=by), [metric], evidence(one, trivial=models))
    return decision


def test_the_best_trivial_model_has_to_be_beaten_by_a_share_of_its_error():
    lower = beaten(GOOD, majority_class=0.5, linear=0.6)
    assert lower.passed
    assert lower.baseline == 0.6
    assert lower.bound == pytest.approx(1 - 0.4 * 0.98)  # 2 % of what the best one lacks
    assert "a linear model on mean, minimum, maximum and length has 0.6000" in lower.reason
    end = lower.lower
    assert beaten(GOOD, linear=1 - (1 - end) / 0.98 - 1e-6).passed
    refused = beaten(GOOD, linear=1 - (1 - end) / 0.98 + 1e-6)
    assert not refused.passed
    assert refused.next_action.startswith("evaluate on more sequences: the value is better than that")


def test_what_to_do_about_a_trivial_model_depends_on_how_training_went():
    models = {"linear": {"auc_macro": 0.95}}
    by_heart = beats_trivial(
        Gate(), ["auc_macro"], evidence(GOOD, trivial=models, train=[of_counts(9, 0, 0, 9)])
    )
    assert "in training it is 1.0000: the model learnt its sequences by heart" in by_heart[0].next_action
    learnt_little = beats_trivial(Gate(), ["auc_macro"], evidence(GOOD, trivial=models, train=[GOOD]))
    assert learnt_little[0].next_action.startswith("the order of the steps tells this model little")


def test_of_an_error_the_least_counts():
    one = SliceMetrics({}, 200, {"rmse": 3.0}, deviations={"rmse": 0.1})
    reach = 0.1 * stats.t.ppf(0.975, 19)
    best = (3 + reach) / 0.98
    assert beaten(one, "rmse", mean=9.0, last_value=best + 1e-6).passed
    assert not beaten(one, "rmse", mean=9.0, last_value=best - 1e-6).passed


@pytest.mark.parametrize("trivial", [{"linear": None}, {}])
def test_what_cannot_be_compared_does_not_pass(trivial):
    if not trivial:
        one = dataclasses.replace(GOOD, metrics={**GOOD.metrics, "auc_macro": None})
        decision = beaten(one, linear=0.5)
    else:
        decision = beaten(GOOD, **trivial)
    assert not decision.passed
    assert "so the trivial models cannot be beaten" in decision.reason


def drop(old: SliceMetrics, new: SliceMetrics, deviation: float, most: float = 0.01, metric: str = "recall"):
    difference = new.metrics[metric] - old.metrics[metric]
    found = evidence(new, baseline=[old], differences={metric: (difference, deviation)})
    (decision,) = no_drop(Gate(max_drop=most), [metric], found)
    return decision


def test_a_drop_counts_where_it_is_larger_than_allowed_and_no_chance():
    reach = stats.t.ppf(0.975, 19)  # of 20 resampled evaluations
    assert not drop(GOOD, WORSE, 0.1 / reach - 1e-6).passed
    by_chance = drop(GOOD, WORSE, 0.1 / reach + 1e-6)
    assert by_chance.passed
    assert by_chance.reason.endswith("and this one may be chance")
    assert drop(GOOD, WORSE, 0.001, most=0.1 + 1e-9).passed
    assert drop(WORSE, GOOD, 0.001).passed


def test_a_drop_says_both_values_and_the_interval_of_their_difference():
    decision = drop(GOOD, WORSE, 0.01)
    reach = 0.01 * stats.t.ppf(0.975, 19)
    assert (decision.value, decision.baseline) == (pytest.approx(0.8), pytest.approx(0.9))
    assert (decision.lower, decision.upper) == pytest.approx((-0.1 - reach, -0.1 + reach))
    assert decision.reason == (
        "recall is 0.8000 overall (200 sequences) and 0.9000 with the last blessed model: a difference of "
        f"-0.1000 [{-0.1 - reach:.4f}, {-0.1 + reach:.4f}]; a drop of 0.01 is the most"
    )
    assert "--force-bless --reason TEXT" in decision.next_action


def test_of_an_error_a_rise_is_the_drop():
    old, new = (SliceMetrics({}, 100, {"log_loss": value}) for value in (0.3, 0.5))
    assert not drop(old, new, 0.01, metric="log_loss").passed
    assert drop(new, old, 0.01, metric="log_loss").passed


def test_the_first_model_has_nothing_to_be_compared_with_and_passes():
    (decision,) = no_drop(Gate(), ["recall"], evidence(GOOD))
    assert decision.passed
    assert decision.reason == "there is no blessed model yet: nothing to compare with"


def test_a_last_blessed_model_that_cannot_be_asked_stops_the_model_until_somebody_takes_it_on():
    why = "the last blessed model reads features that are not there any more: f4"
    (decision,) = no_drop(Gate(), ["recall"], evidence(GOOD, no_baseline=why))
    assert not decision.passed
    assert decision.reason == f"{why}: a drop cannot be ruled out"
    (forced,) = force([decision], "f4 is no longer collected")
    assert forced.passed
    assert forced.forced
    assert forced.reason.endswith("; forced: f4 is no longer collected")
    assert no_drop(Gate(max_drop=None), ["recall"], evidence(GOOD, no_baseline=why)) == []


def test_a_last_blessed_model_of_other_classes_is_no_measure():
    for classes, why in (
        (["yes", "no"], "has no as its last class, this one yes"),
        (["maybe", "yes"], "knows other classes: maybe are gone, no are new"),
        ([*"abcdefg", "no", "yes"], "knows other classes: a, b, c, d, e, … (7) are gone"),
    ):
        other = dataclasses.replace(GOOD, counts=dataclasses.replace(GOOD.counts, classes=classes))
        (decision,) = no_drop(Gate(), ["recall"], evidence(GOOD, baseline=[other]))
        assert not decision.passed
        assert decision.reason == f"the last blessed model {why}: a drop cannot be ruled out"


def test_without_a_reason_and_without_a_measurement_a_drop_is_not_ruled_out():
    (decision,) = no_drop(Gate(), ["recall"], evidence(GOOD, no_baseline=""))
    assert not decision.passed
    assert decision.reason == "the last blessed model was not measured: a drop cannot be ruled out"


def test_a_metric_that_became_undefined_is_a_drop():
    lost = dataclasses.replace(GOOD, metrics={**GOOD.metrics, "auc": None})
    (decision,) = no_drop(Gate(), ["auc"], Evidence(Evaluated([lost], [GOOD], {})))
    assert not decision.passed
    assert (
        decision.reason == "auc is undefined overall (200 sequences), and was not for the last blessed model"
    )


def test_forcing_changes_nothing_that_passed():
    decisions = no_drop(Gate(), ["recall"], evidence(GOOD))
    assert force(decisions, "never mind") == decisions


def test_too_good_is_suspected_to_leak_where_more_is_better():
    found = evidence(of_counts(100, 0, 0, 100))
    decisions = suspicion(Gate(suspicious_above=0.99), ["recall", "log_loss"], found)
    assert [(one.metric, one.passed) for one in decisions] == [("recall", False)]
    assert "sluice check" in decisions[0].next_action
    assert suspicion(Gate(suspicious_above=0.99), ["recall"], evidence(GOOD))[0].passed
    assert suspicion(Gate(), ["recall"], found) == []
