"""Decisions on a model: each bound, what was measured, and why it passed or did not."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from components.verdict.evaluation import Missed, SliceMetrics
from components.verdict.slices import Slice, slice_text
from pipeline.config import Threshold
from pipeline.figures import figure


@dataclass(frozen=True)
class Decision:
    """One bound on one metric in one slice, as it stands in verdict.json."""

    gate: str
    metric: str
    slice: Slice
    examples: int
    value: float | None
    lower: float | None
    upper: float | None
    bound: float
    baseline: float | None
    passed: bool
    reason: str
    next_action: str

    def as_json(self) -> dict[str, object]:
        """The decision as a JSON object."""
        return {**asdict(self), "slice": dict(self.slice)}


def decide(
    thresholds: Iterable[Threshold], evaluation: Sequence[SliceMetrics], missed: Missed
) -> list[Decision]:
    """One decision per bound and slice it holds in.

    Args:
      thresholds: of the configuration.
      evaluation: metrics by slice.
      missed: the bounds that TFMA found missed; everything else passed.

    Returns:
      The decisions, failed ones first, else in the order of the thresholds.
    """
    decisions = []
    for threshold in thresholds:
        slices = [one for one in evaluation if _holds_in(threshold, one)]
        for side, bound in (("min", threshold.min), ("max", threshold.max)):
            if bound is None:
                continue
            if not slices:
                decisions.append(_vanished(threshold, side, bound))
            for one in slices:
                failed = (tuple(one.slice.items()), threshold.metric, side, bound) in missed
                decisions.append(_decision(threshold.metric, side, bound, one, passed=not failed))
    return sorted(decisions, key=lambda decision: decision.passed)


def _holds_in(threshold: Threshold, one: SliceMetrics) -> bool:
    return list(one.slice) == ([threshold.slice] if threshold.slice else [])


def _decision(metric: str, side: str, bound: float, one: SliceMetrics, *, passed: bool) -> Decision:
    value = one.metrics.get(metric)
    where = "overall" if not one.slice else f"on {slice_text(one.slice)}"
    sequences = f"{one.examples} sequence{'' if one.examples == 1 else 's'}"
    wanted = f"{'at least' if side == 'min' else 'at most'} {bound:g}"
    if metric not in one.metrics:
        reason = f"{metric} does not exist; {_what_exists(metric, list(one.metrics))}"
    elif value is None:
        reason = f"{metric} is undefined {where} ({sequences}); the bound is {wanted}"
    elif passed:
        reason = f"{metric} is {figure(value)} {where} ({sequences}); the bound is {wanted}"
    else:
        reason = (
            f"{metric} is {figure(value)} {where} ({sequences}), "
            f"{figure(abs(value - bound))} {'below' if side == 'min' else 'above'} the bound {bound:g}"
        )
    return Decision(
        gate="value",
        metric=metric,
        slice=one.slice,
        examples=one.examples,
        value=value,
        lower=None,
        upper=None,
        bound=bound,
        baseline=None,
        passed=passed,
        reason=reason,
        next_action="" if passed else _next_action(metric, side, one, undefined=value is None),
    )


def _what_exists(metric: str, known: Sequence[str]) -> str:
    """What there is instead of a metric that does not exist."""
    classes = [name[len("recall[") : -1] for name in known if name.startswith("recall[")]
    if "[" in metric and classes:
        return f"the classes are {', '.join(classes)}"
    if classes and metric.startswith("top_"):
        return f"the model has no more than {metric.split('_')[1]} classes"
    return f"measured are {', '.join(name for name in known if '[' not in name)}"


def _next_action(metric: str, side: str, one: SliceMetrics, *, undefined: bool) -> str:
    if undefined and metric not in one.metrics:
        return "give the bound for a metric that there is"
    if undefined and metric.startswith(("auc", "pr_auc")):
        return "check the evaluation split: it may lack this class, or hold nothing else"
    if undefined:
        return (
            "check the evaluation split: it may hold too little here to measure it; else look at the answers"
        )
    if one.slice:
        return (
            f"add training sequences like those with {slice_text(one.slice)}, and look at the ones that fail"
        )
    pull = "pull it down" if side == "min" else "drive it up"
    return f"see in evaluation.json which slices {pull}; train longer, or with more units or more data"


def _vanished(threshold: Threshold, side: str, bound: float) -> Decision:
    return Decision(
        gate="value",
        metric=threshold.metric,
        slice={} if threshold.slice is None else {threshold.slice: "*"},
        examples=0,
        value=None,
        lower=None,
        upper=None,
        bound=bound,
        baseline=None,
        passed=False,
        reason=f"no sequence of the evaluation split has a {threshold.slice}, "
        f"and there is a bound by it on {threshold.metric} ({side} {bound:g})",
        next_action="check that the evaluation split holds sequences with this feature",
    )
