"""From counts to findings of shape and integrity: here stand their thresholds."""

import math
from collections.abc import Iterator

from components.auditor import shape
from components.auditor.checks import ERROR, WARNING
from components.auditor.contract import TYPE_NAMES, Contract
from components.auditor.expected import Expected
from components.auditor.findings import BOTH_SPLITS, Draft, share
from components.auditor.profile import Profile
from components.auditor.tables import EVAL, TRAIN
from components.auditor.tally import MOST_LABELS, SHOWN, Seen, Tally
from pipeline.config import RESERVED_FEATURES

SPLITS = (TRAIN, EVAL)
FEWEST = 30  # at 30 sequences the 95 % interval of a rate of 0.9 still reaches from 0.74 to 0.97 (Wilson)
_CUT_SHARE = 0.01
_BY_CHANCE = 0.1  # share of the all-zero steps from which on they may be chance


def shape_findings(tally: Tally, expected: Expected, contract: Contract, profile: Profile) -> Iterator[Draft]:
    """Findings about shape and integrity.

    Args:
      tally: counts of all records.
      expected: what the configuration says.
      contract: what the schema says.
      profile: what a first look found.
    """
    for split in SPLITS:
        yield from _of_records(tally, split)
        yield from _of_sequences(tally, split, expected)
        for name in sorted({name for what, _, name in tally.sums if what == shape.PRESENT}):
            yield from _presence(tally, split, name, expected, contract, profile)
        for name in sorted({name for what, _, name in tally.sums if what == shape.VALUES}):
            yield from _values(tally, split, name, expected, contract)
    yield from _constant(tally)
    if expected.label is not None and not expected.regression:
        yield from _label_domain(tally, expected)


def _of_records(tally: Tally, split: str) -> Iterator[Draft]:
    count, unit = tally.sum(shape.SEQUENCES, split), "sequences"
    if found := tally.seen.get((shape.UNREADABLE, split, "")):
        words = tally.words.get((shape.UNREADABLE, split, ""), [])
        message = (
            f"{found.count:,} records cannot be read as tf.Example"
            if not words
            else f"a file is damaged: {'; '.join(words)}"
        )
        yield Draft("unreadable-record", ERROR, split, "", message, found.count, found.refs)
    if not count:
        yield Draft("split-too-small", ERROR, split, "", "expected sequences, got none", 0)
    elif count < FEWEST:
        message = f"{count:,} {unit}; what is measured on fewer than {FEWEST} is mostly chance"
        yield Draft("split-too-small", WARNING, split, "", message, count)


def _of_sequences(tally: Tally, split: str, expected: Expected) -> Iterator[Draft]:
    count = tally.sum(shape.SEQUENCES, split)
    for what, check, severity, words in (
        (
            shape.MISMATCH,
            "length-mismatch",
            ERROR,
            "have features of different lengths, or another sequence_length",
        ),
        (shape.EMPTY, "empty-sequence", ERROR, "have no steps"),
        (shape.NO_VALUES, "all-padding", ERROR, "hold no value at any step"),
        (shape.BACKWARDS, "time-not-increasing", ERROR, "have a step earlier than the one before it"),
        (shape.SAME_TIME, "duplicate-timestamp", ERROR, "have two steps at one time"),
    ):
        if found := tally.seen.get((what, split, "")):
            yield _draft(check, severity, split, "", f"{share(found.count, count)} sequences {words}", found)
    yield from _padding(tally, split, count)
    found = tally.seen.get((shape.LONG, split, ""))
    if found and found.count > _CUT_SHARE * count:
        lost = share(tally.sum(shape.CUT_STEPS, split), tally.sum(shape.STEPS, split))
        message = (
            f"{share(found.count, count)} sequences are longer than data.max_length {expected.max_length}; "
            f"{lost} steps are cut"
        )
        yield _draft("too-long", WARNING, split, "", message, found)
    if found := tally.seen.get((shape.NO_LABEL, split, "")):
        message = f"{share(found.count, count)} sequences have no label"
        yield _draft("label-missing", ERROR, split, str(expected.label), message, found)
    if found := tally.seen.get((shape.MANY_LABELS, split, "")):
        message = f"{share(found.count, count)} sequences have more than one label; expected one"
        yield _draft("length-mismatch", ERROR, split, str(expected.label), message, found)


def _padding(tally: Tally, split: str, count: int) -> Iterator[Draft]:
    zeros = not _zero_is_ordinary(tally, split)
    if zeros and (found := tally.seen.get((shape.ZEROS, split, ""))):
        message = f"{share(found.count, count)} sequences are 0 in every feature at every step"
        yield _draft("all-padding", WARNING, split, "", message, found)
    for what, words in (
        (shape.PADDED, "without any value"),
        (shape.ZERO_PADDED, "that are 0 in every feature"),
    ):
        found = tally.seen.get((what, split, ""))
        if found and (zeros or what == shape.PADDED):
            steps = tally.sum(what, split, "steps")
            message = (
                f"{share(found.count, count)} sequences have steps {words} beside real ones, "
                f"{steps:,} steps in all; the model would read them"
            )
            yield _draft("interior-padding", WARNING, split, "", message, found)


def _zero_is_ordinary(tally: Tally, split: str) -> bool:
    """Whether steps that are 0 in every feature come by chance: from how often each is 0 at other steps."""
    real = tally.sum(shape.REAL_STEPS, split)
    zeros = [
        number for (what, of, _), number in tally.sums.items() if (what, of) == (shape.REAL_ZEROS, split)
    ]
    all_zero = tally.sum(shape.ZEROS, split, "steps")
    expected = math.prod(number / max(1, real) for number in zeros) * (real + all_zero)
    return bool(zeros) and expected > _BY_CHANCE * all_zero


def _presence(
    tally: Tally, split: str, name: str, expected: Expected, contract: Contract, profile: Profile
) -> Iterator[Draft]:
    count, present = tally.sum(shape.SEQUENCES, split), tally.sum(shape.PRESENT, split, name)
    own = name not in RESERVED_FEATURES
    if name in contract.required and present < count and name != expected.label:
        lacking = tally.seen.get((shape.MISSING, split, name), Seen(count))
        message = f"{share(count - present, count)} sequences lack it; the schema requires it in all"
        yield _draft("missing-feature", ERROR, split, name, message, lacking)
    if own and present and name not in contract.types and name != expected.label:
        message = f"{share(present, count)} sequences have it; the schema does not"
        yield Draft("unexpected-feature", ERROR, split, name, message, present)
    if found := tally.seen.get((shape.WRONG, split, name)):
        kinds = ", ".join(TYPE_NAMES[kind] for kind in tally.words.get((shape.WRONG, split, name), []))
        message = (
            f"expected {TYPE_NAMES.get(profile.types.get(name, ''), 'one type')}, "
            f"got {kinds} in {share(found.count, count)} sequences"
        )
        yield _draft("wrong-type", ERROR, split, name, message, found)


def _values(tally: Tally, split: str, name: str, expected: Expected, contract: Contract) -> Iterator[Draft]:
    count = tally.sum(shape.SEQUENCES, split)
    if found := tally.seen.get((shape.INFINITE, split, name)):
        message = f"{share(found.count, count)} sequences hold infinite values; one makes every z-score NaN"
        yield _draft("non-finite", ERROR, split, name, message, found)
    if found := tally.seen.get((shape.NAN, split, name)):
        values = share(tally.sum(shape.NAN_VALUES, split, name), tally.sum(shape.VALUES, split, name))
        message = f"{values} values are NaN, in {found.count:,} sequences; they are read as missing"
        yield _draft("non-finite", WARNING, split, name, message, found)
    if found := tally.seen.get((shape.OUTSIDE, split, name)):
        values = ", ".join(tally.words[shape.OUTSIDE, split, name])
        by_schema = expected.schema_given or name in contract.ranges
        source = "the schema's domain" if by_schema else "the values that training has"
        message = f"{share(found.count, count)} sequences hold values outside {source}, such as {values}"
        yield _draft("token-out-of-range", ERROR if by_schema else WARNING, split, name, message, found)


def _constant(tally: Tally) -> Iterator[Draft]:
    for (what, split, name), least in sorted(tally.least.items()):
        values = tally.sum(shape.VALUES, split, name)
        steady = what == shape.RANGE and split == TRAIN and least == tally.most[what, split, name]
        if steady and values > 1:
            count = tally.sum(shape.SEQUENCES, split)
            nan = tally.sum(shape.NAN_VALUES, split, name)
            beside = f", and NaN {nan:,} times" if nan else ""
            message = (
                f"it has one value in all {values - nan:,} steps of {count:,} training sequences{beside}"
            )
            yield Draft("constant-feature", WARNING, split, name, message, count)


def _label_domain(tally: Tally, expected: Expected) -> Iterator[Draft]:
    train, evaluated = (tally.labels.get(split, {}) for split in SPLITS)
    label = str(expected.label)
    if not train or not evaluated:
        return
    if len(train) >= MOST_LABELS:
        message = f"{MOST_LABELS:,} or more different labels; expected classes"
        yield Draft("label-domain", ERROR, BOTH_SPLITS, label, message, tally.sum(shape.SEQUENCES, TRAIN))
        return
    count = tally.sum(shape.SEQUENCES, EVAL)
    if unseen := sorted(set(evaluated) - set(train)):
        seen = Seen()
        for name in unseen:
            seen.add(evaluated[name].count, evaluated[name].refs)
        message = (
            f"{share(seen.count, count)} sequences have a label that training never saw: {_list(unseen)}"
        )
        yield _draft("label-domain", ERROR, EVAL, label, message, seen)
    if absent := sorted(set(train) - set(evaluated)):
        message = f"no sequence of class {_list(absent)}: the evaluation tells nothing of it"
        yield Draft("label-domain", WARNING, EVAL, label, message, sum(train[name].count for name in absent))
    if len(train) == 1:
        message = f"every training sequence has the label {_list(train)}; there is nothing to learn"
        yield Draft("label-domain", ERROR, TRAIN, label, message, tally.sum(shape.SEQUENCES, TRAIN))
    if expected.task == "binary" and len(train) > 2:
        message = f"expected two classes for the task binary, got {len(train)}: {_list(sorted(train))}"
        yield Draft("label-domain", ERROR, TRAIN, label, message, tally.sum(shape.SEQUENCES, TRAIN))


def _list(names: object) -> str:
    shown = [repr(name[:40]) for name in names]  # type: ignore[attr-defined]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")


def _draft(check: str, severity: str, split: str, feature: str, message: str, seen: Seen) -> Draft:
    return Draft(check, severity, split, feature, message, seen.count, tuple(seen.refs[:SHOWN]))
