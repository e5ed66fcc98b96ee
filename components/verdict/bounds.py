"""The gate of bounds: on a metric, overall or in each slice, met by the pessimistic end of its interval."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from components.trainer.metrics.classification import OF_A_CLASS
from components.verdict.decisions import Decision, decision, measured, place, when_undefined
from components.verdict.evaluation import Evidence, SliceMetrics
from components.verdict.intervals import Interval, interval
from components.verdict.slices import TIME, slice_text
from pipeline.config import Gate, Threshold
from pipeline.figures import figure

_Key = tuple[tuple[str, str], ...]  # a slice, as one can look it up


def value_bounds(gate: Gate, thresholds: Iterable[Threshold], evidence: Evidence) -> list[Decision]:
    """Each bound, met by the pessimistic end of the interval, overall or in every slice it is for.

    One slice among many meets its bound by luck. So with `correct_for_slices` all m slices of a bound are
    first held against it with a confidence of 1 - (1 - confidence) / m; those that pass are done with, and
    the rest is held against it again, with what m is then, until none passes any more. That is the way of
    Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979: that any slice which does not reach
    the bound passes has the same small chance as with a single slice, and unlike with equal shares
    (Bonferroni) the worst of many good slices need not be better for the others being there.
    """
    return [found for threshold in thresholds for found in _held_against(gate, threshold, evidence)]


def _held_against(gate: Gate, threshold: Threshold, evidence: Evidence) -> Iterator[Decision]:
    slices = [one for one in evidence.eval.slices if _is_for(threshold, one)]
    trained = {_key(one): one for one in evidence.train if _is_for(threshold, one)}
    yield from _missing_slices(gate, threshold, slices, trained.values())
    large = [
        one for one in slices if not threshold.slice or _size(threshold.metric, one) >= gate.min_slice_size
    ]
    if gate.small_slices != "ignore":
        small = (one for one in slices if one not in large)
        yield from (_too_small(gate, threshold, one) for one in small)
    for side, bound in (("min", threshold.min), ("max", threshold.max)):
        if bound is not None:
            yield from _stepwise(gate, threshold.metric, side, bound, large, trained)


def _stepwise(
    gate: Gate,
    metric: str,
    side: str,
    bound: float,
    slices: Sequence[SliceMetrics],
    trained: Mapping[_Key, SliceMetrics],
) -> list[Decision]:
    """The decision on each slice, in the order of the slices; see `value_bounds`."""
    decided: dict[_Key, Decision] = {}
    left = list(slices)
    while left:
        tests = len(left) if gate.correct_for_slices else 1
        confidence = gate.confidence and 1 - (1 - gate.confidence) / tests
        for one in left:
            decided[_key(one)] = _bounded(metric, side, bound, one, trained.get(_key(one)), confidence)
        missed = [one for one in left if not decided[_key(one)].passed]
        if len(missed) == len(left) or not gate.correct_for_slices:
            break
        left = missed
    return [decided[_key(one)] for one in slices]


def _size(metric: str, one: SliceMetrics) -> int:
    """How many sequences of a slice a metric is about: of a metric of one class those of the class."""
    name, bracket, rest = metric.partition("[")
    if one.counts is None or name not in OF_A_CLASS:
        return one.examples
    return one.counts.of_class(rest.removesuffix("]") if bracket else one.counts.classes[-1])


def _is_for(threshold: Threshold, one: SliceMetrics) -> bool:
    return list(one.slice) == ([threshold.slice] if threshold.slice else [])


def _key(one: SliceMetrics) -> _Key:
    return tuple(one.slice.items())


def _missing_slices(
    gate: Gate, threshold: Threshold, slices: Sequence[SliceMetrics], trained: Iterable[SliceMetrics]
) -> Iterator[Decision]:
    """Slices that a bound is for and the evaluation has not: none at all, or one that training has."""
    name, metric = threshold.slice, threshold.metric
    if not name:
        return
    if not slices:
        nothing = SliceMetrics({name: "*"}, 0, {})
        reason = f"no sequence of the evaluation split has a {name}, and {metric} is bounded by it"
        action = f"check that the evaluation split holds sequences with {name}, or take the bound back"
        yield decision("missing_slice", metric, nothing, reason, action, passed=False)
        return
    there = {_key(one) for one in slices}
    for one in trained if name != TIME else ():  # the evaluation may well be of a later time
        if _key(one) not in there and _size(metric, one) >= gate.min_slice_size:
            reason = (
                f"the evaluation split has no sequence with {slice_text(one.slice)}, and training has "
                f"{one.examples:,}: {metric} cannot be judged there"
            )
            action = f"give the evaluation split sequences with {slice_text(one.slice)}"
            yield decision(
                "missing_slice", metric, SliceMetrics(one.slice, 0, {}), reason, action, passed=False
            )


def _too_small(gate: Gate, threshold: Threshold, one: SliceMetrics) -> Decision:
    size = _size(threshold.metric, one)
    of = "" if size == one.examples else f", {size:,} of its class"
    reason = (
        f"{threshold.metric} was not judged {place(one)}{of}: gate.min_slice_size is {gate.min_slice_size:,}"
    )
    action = f"evaluate on more sequences with {slice_text(one.slice)}, or lower gate.min_slice_size"
    return decision("slice_size", threshold.metric, one, reason, action, passed=gate.small_slices != "fail")


def _bounded(
    metric: str,
    side: str,
    bound: float,
    one: SliceMetrics,
    trained: SliceMetrics | None,
    confidence: float | None,
) -> Decision:
    value, wanted = one.metrics.get(metric), f"{'at least' if side == 'min' else 'at most'} {bound:g}"
    if metric not in one.metrics:
        reason = f"{metric} does not exist; {_what_exists(metric, list(one.metrics))}"
        action = "give the bound for a metric that there is"
        return decision("value", metric, one, reason, action, passed=False, bound=bound)
    if value is None:
        reason = f"{metric} is undefined {place(one)}; the bound is {wanted}"
        return decision("value", metric, one, reason, when_undefined(metric), passed=False, bound=bound)
    found = interval(metric, one, confidence)
    if found is None:
        reason = f"{metric} is {figure(value)} {place(one)}, and how sure that is could not be measured"
        action = "evaluate on more sequences"
        return decision("value", metric, one, reason, action, passed=False, bound=bound)
    missed = bound - found.lower if side == "min" else found.upper - bound
    by_value = bound - value if side == "min" else value - bound
    if missed <= 0:
        reason, action = f"{measured(metric, value, found)} {place(one)}; the bound is {wanted}", ""
    elif by_value > 0:
        beyond = "below" if side == "min" else "above"
        reason = (
            f"{measured(metric, value, found)} {place(one)}, {figure(by_value)} {beyond} the bound {bound:g}"
        )
        action = _when_missed(metric, side, bound, one, trained)
    else:
        end, beyond = ("lower", "below") if side == "min" else ("upper", "above")
        reason = (
            f"{measured(metric, value, found)} {place(one)}: the {end} end of the interval is "
            f"{figure(missed)} {beyond} the bound {bound:g}"
        )
        action = _when_unsure(value, bound, found, side, one)
    return decision(
        "value", metric, one, reason, action, passed=missed <= 0, interval=found, bound=bound,
        distance=max(missed, 0.0) or None,
    )  # fmt: skip


def _what_exists(metric: str, known: Sequence[str]) -> str:
    """What there is instead of a metric that does not exist."""
    classes = [name[len("recall[") : -1] for name in known if name.startswith("recall[")]
    if "[" in metric and classes:
        return f"the classes are {', '.join(classes)}"
    if classes and metric.startswith("top_"):
        return f"the model has no more than {metric.split('_')[1]} classes"
    return f"measured are {', '.join(name for name in known if '[' not in name)}"


def _when_missed(
    metric: str, side: str, bound: float, one: SliceMetrics, trained: SliceMetrics | None
) -> str:
    """What to do where the value itself misses the bound: it depends on how training went."""
    seen = trained.metrics.get(metric) if trained else None
    like = f" with {slice_text(one.slice)}" if one.slice else ""
    if seen is not None and (seen >= bound if side == "min" else seen <= bound):
        return (
            f"in training it is {figure(seen)}: the model learnt its sequences by heart; train on more "
            f"sequences{like}, with more dropout or fewer units"
        )
    if one.slice:
        there = "" if seen is None else f"in training it is {figure(seen)} there; "
        return f"{there}add training sequences{like}, and look at the ones that fail"
    pull = "pull it down" if side == "min" else "drive it up"
    so_far = "" if seen is None else f"in training it is {figure(seen)} itself; "
    return (
        f"{so_far}see in evaluation.json which slices {pull}; train longer, with more units or on more data"
    )


def _when_unsure(value: float, bound: float, found: Interval, side: str, one: SliceMetrics) -> str:
    """What to do where the value meets the bound, and the end of its interval does not."""
    reach = value - found.lower if side == "min" else found.upper - value
    room = abs(value - bound)
    times = math.ceil((reach / room) ** 2) if room > reach / 30 else None
    like = f" with {slice_text(one.slice)}" if one.slice else ""
    if times is None:
        return "train a better model: the value is so near the bound that more sequences will hardly prove it"
    return f"evaluate on about {times} times as many sequences{like}, or train a better model"
