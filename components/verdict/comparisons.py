"""The gates that compare: with training, with trivial models, with the last blessed model, with belief."""

import math
from collections.abc import Iterable
from dataclasses import replace

from components.verdict.decisions import Decision, decision, measured, place, when_undefined
from components.verdict.evaluation import Evidence, SliceMetrics
from components.verdict.intervals import around, interval
from components.verdict.policy import LOWER_IS_BETTER, NEITHER_IS_BETTER
from pipeline.config import Gate
from pipeline.figures import figure

_IN_WORDS = {
    "majority_class": "always saying the most frequent class",
    "label_frequencies": "the classes' shares",
    "mean": "the mean",
    "last_value": "the last value",
    "linear": "a linear model on mean, minimum, maximum and length",
    "token_frequencies": "the tokens' shares",
    "bigram": "a bigram model",
}
_SHOWN_NAMES = 5
_OF_LABELS_UNIT = ("rmse", "mae", "bias")  # of a regression


def overfit(gate: Gate, metrics: Iterable[str], evidence: Evidence) -> list[Decision]:
    """Training minus evaluation, overall, of each metric; errors turned round, so that more is worse.

    A gap counts where it is larger than `max_overfit_gap` and no chance: where the interval of the
    evaluation does not hold the value of training.
    """
    trained = evidence.trained
    if gate.max_overfit_gap is None or trained is None:
        return []
    found = []
    for metric in metrics:
        before, after = trained.metrics.get(metric), evidence.overall.metrics.get(metric)
        if before is None or after is None or metric in NEITHER_IS_BETTER:
            continue
        gap = _worse_by(metric, before, after, evidence.overall)
        found_in = interval(metric, evidence.overall, gate.confidence)
        chance = found_in is not None and found_in.lower <= before <= found_in.upper
        passed = gap <= gate.max_overfit_gap or chance
        said = f"{metric} is {figure(before)} in training and {figure(after)} {place(evidence.overall)}"
        limit = f"{_in_units(metric, evidence.overall)}; the most is {gate.max_overfit_gap:g}"
        limit += ", and this one may be chance" if chance and gap > gate.max_overfit_gap else ""
        found.append(
            decision(
                "overfit", metric, evidence.overall,
                f"{said}, a gap of {figure(gap)}{limit}",
                "the model learnt its sequences by heart, or the evaluation split is unlike training (look "
                "for split-drift in validation.json): train on more sequences, with more dropout, fewer "
                "units or fewer epochs",
                passed=passed, interval=found_in, bound=gate.max_overfit_gap, baseline=before,
                distance=None if passed else gap - gate.max_overfit_gap,
            )
        )  # fmt: skip
    return found


def _worse_by(metric: str, before: float, after: float, overall: SliceMetrics) -> float:
    """How much worse a metric became, on a scale where 0.01 means something.

    Shares and losses as they are; a perplexity by its logarithm; BLEU as a share of 100; errors in the
    label's unit in standard deviations of the label.
    """
    if metric == "perplexity":
        return math.log(after / before)
    if metric == "bleu":
        return (before - after) / 100
    scale = _label_deviation(overall)
    if metric == "mse":
        return (after - before) / scale**2
    if metric in _OF_LABELS_UNIT:
        return (after - before) / scale
    return after - before if metric in LOWER_IS_BETTER else before - after


def _in_units(metric: str, overall: SliceMetrics) -> str:
    return (
        " standard deviations of the label" if "r2" in overall.metrics and metric in _OF_LABELS_UNIT else ""
    )


def _label_deviation(overall: SliceMetrics) -> float:
    """Standard deviation of the labels of a regression, from its error and R²; 1 where these do not tell."""
    mse, r2 = overall.metrics.get("mse"), overall.metrics.get("r2")
    return math.sqrt(mse / (1 - r2)) if mse and r2 is not None and r2 < 1 else 1.0


def beats_trivial(gate: Gate, metrics: Iterable[str], evidence: Evidence) -> list[Decision]:
    """The error saved, as a share of that of the best model that ignores the sequence.

    That is the skill score of forecasting (Murphy, Skill Scores Based on the Mean Square Error, 1988):
    1 - error / error of the reference, where the error of an area or R² is what it lacks to 1.
    """
    if gate.beat_trivial_by is None or not evidence.trivial:
        return []
    return [
        _beaten(gate, gate.beat_trivial_by, metric, evidence)
        for metric in metrics
        if metric in evidence.overall.metrics
    ]


def _beaten(gate: Gate, by: float, metric: str, evidence: Evidence) -> Decision:
    overall, lower_is_better = evidence.overall, metric in LOWER_IS_BETTER
    known = {name: found[metric] for name, found in evidence.trivial.items() if found.get(metric) is not None}
    value, level = overall.metrics[metric], interval(metric, overall, gate.confidence)
    if value is None or level is None or not known:
        reason = f"{metric} is undefined {place(overall)}, so the trivial models cannot be beaten"
        return decision("trivial", metric, overall, reason, when_undefined(metric), passed=False)
    name = (min if lower_is_better else max)(known, key=lambda name: known[name] or 0.0)
    best = known[name] or 0.0
    bound = best * (1 - by) if lower_is_better else 1 - (1 - best) * (1 - by)
    missed = level.upper - bound if lower_is_better else bound - level.lower
    reason = (
        f"{measured(metric, value, level)} {place(overall)}; {_IN_WORDS.get(name, name)} has "
        f"{figure(best)}, so {'at most' if lower_is_better else 'at least'} {figure(bound)} is asked for"
    )
    by_value = value - bound if lower_is_better else bound - value
    action = _when_not_beaten(metric, by_value > 0, bound, evidence)
    return decision(
        "trivial", metric, overall, reason, action, passed=missed <= 0, interval=level, bound=bound,
        baseline=best, distance=max(missed, 0.0) or None,
    )  # fmt: skip


def _when_not_beaten(metric: str, by_value: bool, bound: float, evidence: Evidence) -> str:
    """What to do about a trivial model that is as good: it depends on what is missing."""
    if not by_value:
        return (
            "evaluate on more sequences: the value is better than that, and its interval is not; where a "
            "simple model is as good, ship that, or set gate.beat_trivial_by"
        )
    seen = evidence.trained.metrics.get(metric) if evidence.trained else None
    if seen is not None and (seen <= bound if metric in LOWER_IS_BETTER else seen >= bound):
        return (
            f"in training it is {figure(seen)}: the model learnt its sequences by heart, and nothing that "
            "holds for others; train on more of them, with more dropout or fewer units"
        )
    return (
        "the order of the steps tells this model little: train longer or with more units; where it does not "
        "matter, ship the simple model, or set gate.beat_trivial_by"
    )


def no_drop(gate: Gate, metrics: Iterable[str], evidence: Evidence) -> list[Decision]:
    """Each metric against the last blessed model's on the same examples.

    A drop counts where it is larger than `max_drop` and no chance: where the interval of the difference,
    of the same resampled examples for both models, lies on the worse side of 0.
    """
    if gate.max_drop is None:
        return []
    reason = evidence.no_baseline or _not_alike(evidence)
    if reason:
        said = f"{reason}: {'nothing to compare with' if evidence.first else 'a drop cannot be ruled out'}"
        action = "if that is meant, run again with --force-bless --reason TEXT"
        return [decision("drop", "", evidence.overall, said, action, passed=evidence.first)]
    before = evidence.eval.baseline[0]
    return [
        _dropped(gate.max_drop, gate.confidence, metric, before, evidence)
        for metric in metrics
        if before.metrics.get(metric) is not None and metric not in NEITHER_IS_BETTER
    ]


def _not_alike(evidence: Evidence) -> str:
    if not evidence.eval.baseline:
        return "the last blessed model was not measured"
    ours, theirs = (slices[0].counts for slices in (evidence.eval.slices, evidence.eval.baseline))
    if ours is None or theirs is None or ours.classes == theirs.classes:
        return ""
    gone, new = (set(theirs.classes) - set(ours.classes), set(ours.classes) - set(theirs.classes))
    if gone or new:
        changes = [
            f"{_some(names)} {what}" for names, what in ((gone, "are gone"), (new, "are new")) if names
        ]
        return f"the last blessed model knows other classes: {', '.join(changes)}"
    return f"the last blessed model has {theirs.classes[-1]} as its last class, this one {ours.classes[-1]}"


def _some(names: Iterable[str]) -> str:
    """Names, of many the first five."""
    shown = sorted(names)
    return ", ".join(shown[:_SHOWN_NAMES]) + (f", … ({len(shown)})" if len(shown) > _SHOWN_NAMES else "")


def _dropped(
    most: float, confidence: float | None, metric: str, before: SliceMetrics, evidence: Evidence
) -> Decision:
    overall, old, new = evidence.overall, before.metrics[metric], evidence.overall.metrics.get(metric)
    if new is None or old is None:
        reason = f"{metric} is undefined {place(overall)}, and was not for the last blessed model"
        return decision("drop", metric, overall, reason, when_undefined(metric), passed=False, baseline=old)
    _, deviation = evidence.eval.differences.get(metric, (0.0, 0.0))
    difference = around(new - old, deviation, confidence)
    worse = difference.lower > 0 if metric in LOWER_IS_BETTER else difference.upper < 0
    drop = _worse_by(metric, old, new, overall)
    passed = drop <= most or not worse
    reason = (
        f"{metric} is {figure(new)} {place(overall)} and {figure(old)} with the last blessed model: a "
        f"difference of {figure(new - old)} [{figure(difference.lower)}, {figure(difference.upper)}]"
    )
    limit = f"; a drop of {most:g} is the most{_in_units(metric, overall)}"
    chance = ", and this one may be chance" if drop > most and passed else ""
    return decision(
        "drop", metric, overall, f"{reason}{limit}{chance}",
        "look at what changed since (data, configuration); if the drop is meant, run again with "
        "--force-bless --reason TEXT",
        passed=passed, interval=difference, bound=most, baseline=old,
        distance=None if passed else drop - most,
    )  # fmt: skip


def force(drops: Iterable[Decision], reason: str) -> list[Decision]:
    """Lets through what only the comparison with the last blessed model stopped, and says so."""
    return [
        one
        if one.passed
        else replace(one, passed=True, forced=True, next_action="", reason=f"{one.reason}; forced: {reason}")
        for one in drops
    ]


def suspicion(gate: Gate, metrics: Iterable[str], evidence: Evidence) -> list[Decision]:
    """Values that are too good to be true, of metrics where more is better."""
    most = gate.suspicious_above
    if most is None:
        return []
    judged = [
        (metric, value)
        for metric in metrics
        if metric not in (*LOWER_IS_BETTER, *NEITHER_IS_BETTER)
        and (value := evidence.overall.metrics.get(metric)) is not None
    ]
    return [
        decision(
            "suspicion", metric, evidence.overall,
            f"{measured(metric, value)} {place(evidence.overall)}; above {most:g} it is too good to be true",
            "a leak is suspected: run sluice check, and look for a feature that is only known after the "
            "label",
            passed=value <= most, bound=most, distance=value - most if value > most else None,
        )
        for metric, value in judged
    ]  # fmt: skip
