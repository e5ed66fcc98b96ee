"""The sections on data: how it was split, what was found in it, and what the features are like."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from pipeline import record, summary
from pipeline.report import plots
from pipeline.report.blocks import (
    BAD,
    PLAIN,
    WARN,
    Block,
    Cell,
    Count,
    Folded,
    Notice,
    Percent,
    Plot,
    Section,
    Table,
    Text,
)
from pipeline.report.source import Number, RunFiles, Source

TRAIN, EVAL = "train", "eval"
_TONES = {"error": BAD, "warning": WARN}
_FINDINGS, _SHOWN_IDS, _PLOTTED, _FREQUENT = 20, 20, 12, 3


def data(files: RunFiles) -> Section:
    """What the run read, and what the auditor found."""
    validation, statistics = files[record.VALIDATION], files[record.STATISTICS]
    if not validation and not statistics:
        return Section("data", "Data")
    blocks = [*_splits(validation), *_lengths(files, statistics), *_labels(statistics)]
    return Section("data", "Data", blocks)


def findings(files: RunFiles) -> Section:
    """Every finding with its examples and its remedy."""
    validation = files[record.VALIDATION]
    if not validation:
        return Section("findings", "Findings")
    found = sorted(validation.each("findings"), key=lambda one: one.at("severity").value != "error")
    notices: list[Block] = [_notice(one) for one in found]
    run, not_run = validation.at("checks_run").value or [], validation.at("checks_not_run").value or {}
    verb = "finding stands" if len(found) == 1 else "findings stand"
    said = f"{len(run)} checks looked at the data; {len(found):,} {verb} below."
    if not found:
        said = f"{len(run)} checks looked at the data, and none found anything."
    blocks: list[Block] = [Text(said), *notices[:_FINDINGS]]
    if notices[_FINDINGS:]:
        blocks.append(Folded(f"{len(notices) - _FINDINGS:,} more findings", notices[_FINDINGS:]))
    checks = [[name, "looked"] for name in run] + [[name, f"not run: {why}"] for name, why in not_run.items()]
    blocks.append(Folded("The checks", [Table("Checks of the data", ["check", "done"], checks, shown=100)]))
    return Section("findings", "Findings", blocks)


def features(files: RunFiles) -> Section:
    """Each feature in both splits, the one that differs most first."""
    statistics = files[record.STATISTICS]
    names = list(statistics.at("splits", TRAIN, "features").value or {})
    if not names:
        return Section("features", "Features")
    both = {
        name: [statistics.at("splits", split, "features", name) for split in (TRAIN, EVAL)] for name in names
    }
    shifts = {name: shift(*of) for name, of in both.items()}
    names.sort(key=lambda name: -np.nan_to_num(shifts[name], nan=-1.0))
    blocks: list[Block] = [
        Text(
            "Shift says how far the evaluation split is from the training split: of numbers the distance of "
            "the means in standard deviations of the training split, of categories the share of values "
            "that would have to be others."
        )
    ]
    if plot := _histograms(names, both):
        blocks.append(plot)
    measured = ("lacking", "mean", "deviation", "least", "most", "distinct")
    columns = [
        "feature",
        "kind",
        "shift",
        *(f"{name}, {split}" for name in measured for split in (TRAIN, EVAL)),
    ]
    columns.append("most frequent, train")
    rows = [[name, *_feature(shifts[name], *both[name])] for name in names]
    blocks.append(Table("Features, those first that differ most between the splits", columns, rows))
    return Section("features", "Features", blocks)


def shift(train: Source, evaluated: Source) -> float:
    """How far a feature of the evaluation split is from that of the training split; NaN where nobody can say.

    Of numbers |mean - mean of train| / standard deviation of train; of categories the total variation
    distance of the shares of the most frequent values, all others counted as one.
    """
    deviation = train.number("std_dev").known
    if deviation > 0:
        return abs(evaluated.number("mean").known - train.number("mean").known) / deviation
    tops = [dict(one.at("top").value or []) for one in (train, evaluated)]
    totals = [one.number("values").known for one in (train, evaluated)]
    if not all(tops) or not all(total > 0 for total in totals):
        return float("nan")
    shares: list[list[float]] = [
        [top.get(name, 0) / total for name in {*tops[0], *tops[1]}]
        for top, total in zip(tops, totals, strict=True)
    ]
    apart = np.abs(np.array(shares[0]) - np.array(shares[1])).sum() + abs(sum(shares[0]) - sum(shares[1]))
    return float(apart / 2)


def _feature(shifted: float, train: Source, evaluated: Source) -> list[Cell]:
    both = (train, evaluated)
    cells: list[Cell] = [str(train.at("kind").value), Number(None if np.isnan(shifted) else shifted)]
    cells += [Percent(_lacking(one)) for one in both]
    for name in ("mean", "std_dev", "min", "max"):
        cells += [one.number(name) for one in both]
    return [*cells, *(Count(one.number("unique")) for one in both), _most_frequent(train)]


def _most_frequent(one: Source) -> str | None:
    """The most frequent values of a category, such as `north 45.0 %, south 30.0 %`."""
    top, total = one.at("top").value, one.number("values").value
    if not top or not total:
        return None
    return ", ".join(
        f"{plots.shortened(str(name), 24)} {100 * count / total:.1f} %" for name, count in top[:_FREQUENT]
    )


def _lacking(one: Source) -> Number:
    """The share of sequences that lack a feature, and of the others that of values that are NaN."""
    present, missing = (one.number(name).value for name in ("present", "missing"))
    if present is None or missing is None or not present + missing:
        return Number(None)
    share, values = missing / (present + missing), one.number("values").value
    return Number(share + (1 - share) * (one.number("nan").value or 0) / values if values else share)


def _histograms(names: list[str], both: Mapping[str, list[Source]]) -> Plot | None:
    numeric = [name for name in names if both[name][0].at("histogram").value][:_PLOTTED]
    if not numeric:
        return None
    titled = {
        name: {split: _buckets(one) for split, one in zip((TRAIN, EVAL), both[name], strict=True)}
        for name in numeric
    }
    said = (
        f"Histograms of the values of {', '.join(plots.shortened(name) for name in numeric)} in both splits."
    )
    return Plot(
        plots.histograms(titled, said=said),
        "Share of the values; the features of numbers that differ most.",
    )


def _buckets(one: Source) -> list[tuple[float, float, float]]:
    return [tuple(bucket) for bucket in one.at("histogram").value or () if None not in bucket]


def _splits(validation: Source) -> Iterator[Block]:
    rows: list[list[Cell]] = [
        [
            name,
            *(Count(one.number(of)) for of in ("sequences", "steps")),
            *(_moment(one.at(of).value) for of in ("first_time", "last_time")),
        ]
        for name, one in validation.items("splits")
    ]
    unit = validation.at("split", "unit").value or "sequences"
    if rows:
        yield Table("Splits", ["split", unit, "steps", "first step", "last step"], rows)
    if plot := _time_axis(validation):
        yield plot
    yield from (Text(said) for said in _rule(validation))


def _moment(value: Any) -> str:
    return "–" if value is None else str(value)


def _rule(validation: Source) -> Iterator[str]:
    split = validation.at("split").value
    if not split:
        return
    cutoff = f", at {split['cutoff']}" if split.get("cutoff") else ""
    gap = f", with a gap of {split['gap']}" if split.get("gap") else ""
    yield f"Split by {split['rule']}{cutoff}{gap}."
    if split["left_out"]:
        left_out = "; ".join(f"{count:,} ({why})" for why, count in split["left_out"].items())
        yield f"Left out: {left_out}."
    rows = validation.at("rows").value
    if rows and rows["skipped"]:
        such = "; ".join(rows["examples"][:3])
        yield f"Skipped: {rows['skipped']:,} of {rows['read']:,} rows, such as {such}."


def _time_axis(validation: Source) -> Plot | None:
    dates = "timestamp" in str(validation.at("time").value)
    ends = []
    for name, one in validation.items("splits"):
        first, last = (_axis_value(one.at(of).value) for of in ("first_time", "last_time"))
        if first is None or last is None:
            return None
        ends.append((name, first, last))
    if not ends:
        return None
    cutoff = _axis_value(validation.at("split", "cutoff").value)
    said = "; ".join(
        f"{name} from {one.at('first_time').value} to {one.at('last_time').value}"
        for name, one in validation.items("splits")
    )
    caption = "From the first step of a split to its last."
    if any(end < begin for (_, _, end), (_, begin, _) in pairwise(ends)):
        caption += " Shaded: what lies between them."
    if cutoff is not None:
        caption += " Dashed: where evaluation begins."
    plot = plots.time_axis(ends, said=f"The splits on the axis of time: {said}.", dates=dates, cutoff=cutoff)
    return Plot(plot, caption)


def _axis_value(value: Any) -> float | None:
    """A time as a number, in seconds since 1970 where it is a timestamp; None where it is none."""
    if value is None or isinstance(value, (int, float)):
        return value
    if re.fullmatch(r"-?\d+(\.\d+)?", str(value)):
        return float(value)
    try:
        return float(np.datetime64(str(value).removesuffix("Z"), "us").astype(np.int64)) / 1e6
    except ValueError:
        return None


def _lengths(files: RunFiles, statistics: Source) -> Iterator[Block]:
    found = {
        split: _buckets(statistics.at("splits", split, "lengths"))
        for split in (TRAIN, EVAL)
        if statistics.at("splits", split, "lengths", "histogram")
    }
    if not found:
        return
    ends = {one[place] for of in found.values() for one in of for place in (0, 1)}
    if len(ends) == 1:
        yield Text(f"Every sequence has {(only := ends.pop()):,.0f} step{'' if only == 1 else 's'}.")
        return
    longest = files[record.RUN].number("config", "data", "max_length").value
    mark = None if longest is None else (float(longest), f"max_length {longest}")
    of = {split: statistics.at("splits", split, "lengths") for split in found}
    said = "; ".join(
        f"{split}: {one.number('min').said} to {one.number('max').said} steps, "
        f"{one.number('mean').said} on average"
        for split, one in of.items()
    )
    yield Plot(
        plots.histograms(
            {"Steps of a sequence": found}, said=f"Histogram of the lengths of sequences: {said}.", mark=mark
        ),
        "Share of the sequences by length.",
    )
    columns = ["split", "least", "median", "mean", "most"]
    rows: list[list[Cell]] = [
        [
            split,
            Count(one.number("min")),
            one.number("median"),
            one.number("mean"),
            Count(one.number("max")),
        ]
        for split, one in of.items()
    ]
    yield Table("Lengths of sequences, in steps", columns, rows)


def _labels(statistics: Source) -> Iterator[Block]:
    train, evaluated = (statistics.at("splits", split, "labels") for split in (TRAIN, EVAL))
    if train.at("classes") or evaluated.at("classes"):
        yield _classes(train, evaluated)
    elif train.at("mean").value is not None:
        columns = ["split", "mean", "deviation", "least", "median", "most"]
        names = ("mean", "std_dev", "min", "median", "max")
        rows: list[list[Cell]] = [
            [split, *(one.number(name) for name in names)]
            for split, one in ((TRAIN, train), (EVAL, evaluated))
        ]
        yield Table("Labels", columns, rows)
        found = {
            split: _buckets(one) for split, one in ((TRAIN, train), (EVAL, evaluated)) if one.at("histogram")
        }
        if found:
            least, most = (train.number(name).said for name in ("min", "max"))
            said = f"Histogram of the labels, in the training split from {least} to {most}."
            yield Plot(plots.histograms({"Label": found}, said=said), "Share of the labels.")


def _classes(train: Source, evaluated: Source) -> Block:
    counts = [
        {one.at(0).value: one.number(1) for one in split.each("classes")} for split in (train, evaluated)
    ]
    totals = [
        sum(count.known for count in of.values()) + np.nan_to_num(split.number("others").known)
        for of, split in zip(counts, (train, evaluated), strict=True)
    ]
    rows: list[list[Cell]] = []
    for name in dict.fromkeys([*counts[0], *counts[1]]):
        row: list[Cell] = [str(name)]
        for of, total in zip(counts, totals, strict=True):
            count = of.get(name, Number(0))
            row += [Count(count), Percent(Number(count.known / total if total else None))]
        rows.append(row)
    return Table("Labels of each split", ["label", "train", "share", "eval", "share"], rows)


def _notice(one: Source) -> Notice:
    finding = one.value
    return Notice(
        _TONES.get(finding["severity"], PLAIN),
        f"{finding['severity']}: {finding['check']}"
        + (f" ({where})" if (where := summary.where(finding)) else ""),
        finding["message"],
        tuple(map(str, finding["examples"][:_SHOWN_IDS])),
        one.number("count"),
        finding["fix"],
    )
