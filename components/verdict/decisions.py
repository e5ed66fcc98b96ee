"""A decision on a model: what was asked, what was measured, whether it passed, and why, in words."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from components.verdict.evaluation import SliceMetrics
from components.verdict.intervals import Interval
from components.verdict.slices import Slice, slice_text
from pipeline.figures import figure


@dataclass(frozen=True)
class Decision:
    """One thing that one gate asks, as it stands in verdict.json.

    Attributes:
      gate: `value`, `slice_size`, `missing_slice`, `overfit`, `trivial`, `drop`, `suspicion` or `examples`.
      metric: that was judged; empty where none was.
      slice: feature to value; empty for overall.
      examples: sequences in the slice.
      value: of the metric; None where it is undefined.
      lower: end of the interval that was held against the bound; of `drop`, of value minus baseline.
      upper: its other end.
      bound: that the pessimistic end has to meet; of `overfit`, the largest gap.
      baseline: what was compared with: training, the best trivial or the last blessed model.
      distance: how far the pessimistic end lies beyond the bound; None where it does not, or there is none.
      passed: whether the model may go on.
      reason: one sentence.
      next_action: what to do about it; empty where it passed.
      forced: whether somebody let it pass.
    """

    gate: str
    metric: str
    slice: Slice
    examples: int
    value: float | None
    lower: float | None
    upper: float | None
    bound: float | None
    baseline: float | None
    distance: float | None
    passed: bool
    reason: str
    next_action: str
    forced: bool = False

    def as_json(self) -> dict[str, object]:
        """The decision as a JSON object."""
        return {**asdict(self), "slice": dict(self.slice)}


def decision(
    gate: str,
    metric: str,
    one: SliceMetrics,
    reason: str,
    next_action: str = "",
    *,
    passed: bool,
    interval: Interval | None = None,
    bound: float | None = None,
    baseline: float | None = None,
    distance: float | None = None,
) -> Decision:
    """A decision about a metric of a slice; a passed one needs no action."""
    return Decision(
        gate=gate,
        metric=metric,
        slice=one.slice,
        examples=one.examples,
        value=one.metrics.get(metric),
        lower=interval.lower if interval else None,
        upper=interval.upper if interval else None,
        bound=bound,
        baseline=baseline,
        distance=distance,
        passed=passed,
        reason=reason,
        next_action="" if passed else next_action,
    )


def place(one: SliceMetrics) -> str:
    """Where something was measured, such as `on label=peak (67 sequences)`."""
    where = "overall" if not one.slice else f"on {slice_text(one.slice)}"
    return f"{where} ({one.examples:,} sequence{'' if one.examples == 1 else 's'})"


def measured(metric: str, value: float, interval: Interval | None = None) -> str:
    """A value and its interval, such as `recall is 0.8900 [0.8400, 0.9300]`."""
    between = f" [{figure(interval.lower)}, {figure(interval.upper)}]" if interval else ""
    return f"{metric} is {figure(value)}{between}"


def when_undefined(metric: str) -> str:
    """What to do where a metric is no number."""
    if metric.startswith(("auc", "pr_auc")):
        return (
            "check the evaluation split: it may lack a class, or hold nothing else; else look at the answers"
        )
    return "check the evaluation split: it may hold too little here to measure it; else look at the answers"


def failed_first(decisions: Iterable[Decision]) -> list[Decision]:
    """The failed ones first, of these the one that misses by the largest share of its bound."""
    return sorted(decisions, key=lambda one: (one.passed, -_share_missed(one)))


def _share_missed(one: Decision) -> float:
    if one.distance is None or one.bound is None:
        return math.inf
    return one.distance / max(abs(one.bound), 1e-9)
