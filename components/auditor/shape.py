"""Counts what is misshapen in a batch of Examples. Measures only; `shape_findings` decides."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.auditor.contract import BYTES, FLOAT, Contract
from components.auditor.expected import Expected
from components.auditor.lists import Ints, Lists, Mask
from components.auditor.profile import Profile
from components.auditor.records import Batch
from components.auditor.sketches import hash_values
from components.auditor.tally import SHOWN, Tally

TIME, LABEL_TIME = "step_time", "label_time"
SEQUENCES, STEPS, PRESENT, MISSING, WRONG = "sequences", "steps", "present", "missing", "wrong type"
MISMATCH, EMPTY, NO_VALUES, ZEROS = "mismatch", "empty", "no values", "zeros"
PADDED, ZERO_PADDED, LONG, CUT_STEPS = "padded", "padded with zeros", "long", "cut steps"
REAL_STEPS, REAL_ZEROS = "steps that are not all zero", "zeros in them"
INFINITE, NAN, NAN_VALUES, VALUES = "infinite", "nan", "nan values", "values"
NO_LABEL, MANY_LABELS, OUTSIDE = "no label", "many labels", "outside"
BACKWARDS, SAME_TIME, AFTER_LABEL = "backwards", "same time", "after label"
UNREADABLE, RANGE, TIMES, FIRST_TIMES = "unreadable", "range", "times", "first times"

Values = npt.NDArray[Any]


def measure(batch: Batch, expected: Expected, contract: Contract, profile: Profile) -> Tally:
    """Counts what is misshapen.

    Args:
      batch: N Examples of one split.
      expected: what the configuration says of them.
      contract: what the schema says of them.
      profile: what a first look found.
    """
    tally = Tally()
    tally.add(SEQUENCES, batch.split, "", len(batch))
    tally.note_refs(UNREADABLE, batch.split, "", len(batch.unreadable), batch.unreadable[:SHOWN])
    _presence(batch, expected, contract, tally)
    features = {name: column for name, column in batch.columns.items() if expected.is_feature(name)}
    steps, even = _lengths(batch, features, profile, expected, tally)
    for name, feature in features.items():
        _values(batch, name, feature, contract, tally)
    _padding(batch, features, profile, steps, even & (steps > 0), tally)
    if expected.label is not None:
        _labels(batch, expected, tally)
    _times(batch, tally)
    return tally


def _presence(batch: Batch, expected: Expected, contract: Contract, tally: Tally) -> None:
    absent = np.zeros(len(batch), bool)
    for name in sorted(contract.required | set(batch.columns) | set(batch.wrong)):
        column = batch.columns.get(name)
        present = column.present if column is not None else absent
        wrong = batch.wrong.get(name, absent)
        tally.add(PRESENT, batch.split, name, int((present | wrong).sum()))
        tally.note(WRONG, batch.split, name, wrong, batch.refs)
        if name in batch.wrong_kinds:
            tally.say(WRONG, batch.split, name, batch.wrong_kinds[name])
        if name != expected.label:
            tally.note(MISSING, batch.split, name, ~present & ~wrong, batch.refs)


def _lengths(
    batch: Batch, features: Mapping[str, Lists], profile: Profile, expected: Expected, tally: Tally
) -> tuple[Ints, Mask]:
    """Steps of each sequence, and where all features have equally many."""
    stepwise = [feature for name, feature in features.items() if name not in profile.single]
    if TIME in batch.columns:
        stepwise.append(batch.columns[TIME])
    longest = np.zeros(len(batch), np.int64)
    shortest = np.full(len(batch), np.iinfo(np.int64).max)
    for column in stepwise:
        longest = np.maximum(longest, np.where(column.present, column.lengths, 0))
        shortest = np.where(column.present, np.minimum(shortest, column.lengths), shortest)
    even = shortest >= longest
    said = batch.columns.get("sequence_length")
    if said is not None and len(said.values):
        first, rows = said.firsts()
        even[rows] &= first.to_numpy(zero_copy_only=False) == longest[rows]
    single_even = [features[name].lengths <= 1 for name in profile.single if name in features]
    even = reduce(np.logical_and, single_even, even)
    tally.add(STEPS, batch.split, "", int(longest.sum()))
    tally.note(EMPTY, batch.split, "", longest == 0, batch.refs)
    tally.note(MISMATCH, batch.split, "", ~even & (longest > 0), batch.refs)
    if expected.max_length is not None:
        tally.note(LONG, batch.split, "", longest > expected.max_length, batch.refs)
        tally.add(CUT_STEPS, batch.split, "", int(np.maximum(0, longest - expected.max_length).sum()))
    return longest, even


def _values(batch: Batch, name: str, feature: Lists, contract: Contract, tally: Tally) -> None:
    split, count = batch.split, len(feature.values)
    tally.add(VALUES, split, name, count)
    if not count:
        return
    if feature.kind == BYTES:
        first = float(hash_values(feature.take(np.flatnonzero(feature.lengths > 0)[:1]))[0])
        same = pc.all(pc.equal(feature.values, feature.values[0])).as_py()
        tally.bound(RANGE, split, name, first if same else -1.0, first)
        if domain := contract.values.get(name):
            known = pc.is_in(
                feature.values, value_set=pa.array([v.encode() for v in domain], pa.large_binary())
            )
            _outside(batch, name, feature, ~np.asarray(known), tally)
        return
    numbers = feature.numbers()
    if feature.kind == FLOAT:
        infinite, nan = np.isinf(numbers), np.isnan(numbers)
        tally.note(INFINITE, split, name, feature.per_row(infinite) > 0, batch.refs)
        tally.note(NAN, split, name, feature.per_row(nan) > 0, batch.refs)
        tally.add(NAN_VALUES, split, name, int(nan.sum()))
        numbers = numbers[~nan]
    if len(numbers):
        tally.bound(RANGE, split, name, numbers.min().item(), numbers.max().item())
    if bounds := contract.ranges.get(name):
        values = feature.numbers()
        _outside(batch, name, feature, (values < bounds[0]) | (values > bounds[1]), tally)


def _outside(batch: Batch, name: str, feature: Lists, outside: Mask, tally: Tally) -> None:
    if not outside.any():
        return
    tally.note(OUTSIDE, batch.split, name, feature.per_row(outside) > 0, batch.refs)
    first = sorted(pc.unique(feature.values.filter(pa.array(outside))).to_pylist())[:3]
    tally.say(
        OUTSIDE,
        batch.split,
        name,
        [repr(v.decode("utf-8", "replace") if isinstance(v, bytes) else v)[:40] for v in first],
    )


def _padding(
    batch: Batch, features: Mapping[str, Lists], profile: Profile, steps: Ints, even: Mask, tally: Tally
) -> None:
    """Steps in which no feature holds a value, or every number is 0; a feature that is absent holds none."""
    rows = np.flatnonzero(even)
    stepwise = {name: f.take(rows) for name, f in features.items() if name not in profile.single}
    if not stepwise or not len(rows):
        return
    lengths, refs = steps[rows], batch.refs[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    blanks = {name: _on_steps(f, _blank(f), offsets, absent=True) for name, f in stepwise.items()}
    zeros = {name: _on_steps(f, _zero(f), offsets, absent=False) for name, f in stepwise.items()}
    blank = reduce(np.logical_and, blanks.values())
    nothing = reduce(np.logical_and, (blanks[name] | zeros[name] for name in stepwise))
    in_sequence = Lists(FLOAT, pa.array([], pa.float32()), offsets, np.ones(len(rows), bool))
    _count_padding(NO_VALUES, PADDED, blank, in_sequence, refs, batch.split, tally)
    if len(stepwise) > 1:  # one number that is 0 now and then is a value
        _count_padding(ZEROS, ZERO_PADDED, nothing & ~blank, in_sequence, refs, batch.split, tally)
        tally.add(REAL_STEPS, batch.split, "", int((~nothing).sum()))
        for name, zero in zeros.items():
            tally.add(REAL_ZEROS, batch.split, name, int((zero & ~nothing).sum()))


def _count_padding(
    whole: str, part: str, padding: Mask, steps: Lists, refs: Ints, split: str, tally: Tally
) -> None:
    """Sequences that are nothing but padding, and those that have some beside real steps."""
    padded = steps.per_row(padding)
    tally.note(whole, split, "", (padded == steps.lengths) & (steps.lengths > (whole == ZEROS)), refs)
    inside = (padded > 0) & (padded < steps.lengths)
    tally.note(part, split, "", inside, refs)
    tally.add(part, split, "steps", int(padded[inside].sum()))
    tally.add(whole, split, "steps", int(padded.sum()))


def _on_steps(feature: Lists, mask: Mask, offsets: Ints, *, absent: bool) -> Mask:
    """A mask of the values of a feature as one of the steps of sequences that may lack it."""
    if feature.present.all():
        return mask
    found = np.full(int(offsets[-1]), absent)
    shift = np.repeat(offsets[:-1] - feature.offsets[:-1], feature.lengths)
    found[np.arange(len(mask)) + shift] = mask
    return found


def _blank(feature: Lists) -> Mask:
    if feature.kind == BYTES:
        return np.asarray(pc.equal(pc.binary_length(feature.values), 0).to_numpy(zero_copy_only=False), bool)
    return np.isnan(feature.numbers()) if feature.kind == FLOAT else np.zeros(len(feature.values), bool)


def _zero(feature: Lists) -> Mask:
    return np.zeros(len(feature.values), bool) if feature.kind == BYTES else feature.numbers() == 0


def _labels(batch: Batch, expected: Expected, tally: Tally) -> None:
    column = batch.columns.get(str(expected.label))
    has = np.zeros(len(batch), bool)
    if column is not None and len(column.values):
        values, rows = column.firsts()
        tally.note(MANY_LABELS, batch.split, "", column.lengths > 1, batch.refs)
        if column.kind == FLOAT:
            finite = np.isfinite(values.to_numpy(zero_copy_only=False))
            values, rows = values.filter(pa.array(finite)), rows[finite]
        has[rows] = True
        if not expected.regression:
            _count_labels(batch, values, rows, tally)
    tally.note(
        NO_LABEL, batch.split, "", ~has & ~batch.wrong.get(str(expected.label), ~has & False), batch.refs
    )


def as_text(value: object) -> str:
    """A value as text, whatever its bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def label_texts(values: pa.Array) -> pa.Array:
    """Labels as text: classes may be written as text or as numbers."""
    if pa.types.is_floating(values.type):
        numbers = values.to_numpy(zero_copy_only=False)
        whole = len(numbers) > 0 and bool(((numbers == np.rint(numbers)) & (np.abs(numbers) < 2**53)).all())
        values = pa.array(numbers.astype(np.int64)) if whole else values
    return pc.cast(values, pa.large_binary() if pa.types.is_large_binary(values.type) else pa.large_string())


def _count_labels(batch: Batch, values: pa.Array, rows: Ints, tally: Tally) -> None:
    coded = label_texts(values).dictionary_encode()
    codes = coded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(coded.dictionary) + 1))
    for code, label in enumerate(coded.dictionary.to_pylist()[: 10 * SHOWN * SHOWN]):
        own = batch.refs[rows[order[starts[code] : starts[code + 1]]]]
        tally.label(batch.split, as_text(label), len(own), own[:SHOWN].tolist())


def _times(batch: Batch, tally: Tally) -> None:
    column = batch.columns.get(TIME)
    if column is None or not len(column.values):
        return
    times = column.numbers()
    steps = np.diff(times, prepend=times[:1])
    inside = np.ones(len(times), bool)
    inside[column.offsets[:-1][column.lengths > 0]] = False
    tally.note(BACKWARDS, batch.split, "", column.per_row(inside & (steps < 0)) > 0, batch.refs)
    tally.note(SAME_TIME, batch.split, "", column.per_row(inside & (steps == 0)) > 0, batch.refs)
    filled = column.lengths > 0
    last, first = times[column.offsets[1:][filled] - 1], times[column.offsets[:-1][filled]]
    tally.bound(TIMES, batch.split, "", int(times.min()), int(times.max()))
    tally.bound(FIRST_TIMES, batch.split, "", int(first.min()), int(first.max()))
    known = batch.columns.get(LABEL_TIME)
    if known is not None and len(known.values):
        moments, rows = known.firsts()
        end = np.full(len(batch), np.iinfo(np.int64).min)
        end[filled] = last
        late = np.zeros(len(batch), bool)
        late[rows] = end[rows] > moments.to_numpy()
        tally.note(AFTER_LABEL, batch.split, "", late, batch.refs)
