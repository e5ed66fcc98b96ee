"""The sections on evaluation: requirements against their bounds, slices, curves, and where the model errs."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from components.verdict.policy import LOWER_IS_BETTER
from pipeline import record, summary
from pipeline.figures import figure
from pipeline.report import plots
from pipeline.report.blocks import (
    BAD,
    GOOD,
    Block,
    Cell,
    Count,
    Heat,
    Interval,
    Mark,
    Percent,
    Plot,
    Reason,
    Samples,
    Section,
    Table,
    Text,
)
from pipeline.report.source import EMPTY, Number, RunFiles, Source, slice_key, slice_name

_CURVES = 5  # classes whose curves are drawn in one plot
_MATRIX, _PAIRS = 15, 50  # classes whose confusion matrix can be read; of more, pairs of classes
_SHARES = ("accuracy", "precision", "recall", "f1", "auc", "pr_auc", "balanced_accuracy", "top_")


def requirements(files: RunFiles) -> Section:
    """Every decision of the verdict, the one that misses its bound by most first."""
    decisions = sorted(files[record.VERDICT].each("decisions"), key=_headroom)
    if not decisions:
        return Section("requirements", "Requirements")
    low, high = _axes(decisions)
    rows: list[list[Cell]] = []
    for one in decisions:
        value = one.value
        passed = bool(value["passed"])
        rows.append(
            [
                Mark("met", GOOD) if passed else Mark("missed", BAD),
                value["gate"].replace("_", " "),
                value["metric"] or "–",
                slice_name(value["slice"]),
                Count(one.number("examples")),
                *(one.number(name) for name in ("value", "lower", "upper", "bound", "baseline")),
                _interval(one, low, high, passed=passed),
                Reason(value["reason"]),
            ]
        )
    columns: list[str | tuple[str, str] | None] = [
        None, "gate", "metric", "slice", "sequences", "value", "lower", "upper", "bound",
        ("baseline", "what it is compared with: training, the best trivial model or the last blessed one"),
        ("interval", "dot: the value; line: its interval; upright: the bound"), "reason",
    ]  # fmt: skip
    return Section(
        "requirements", "Requirements",
        [
            Text(
                "Those that miss their bound by most come first, then those that meet it most narrowly. "
                "A bound is met by the pessimistic end of the interval."
            ),
            Table("What each gate asked of the model", columns, rows, head=False),
        ],
    )  # fmt: skip


def _headroom(one: Source) -> tuple[bool, float]:
    """Missed first, by how far; then met, by how narrowly."""
    passed, distance, bound = (
        bool(one.at("passed").value),
        one.number("distance").known,
        one.number("bound").known,
    )
    if not passed:
        return False, -(distance / max(abs(bound), 1e-9)) if distance == distance else -math.inf
    if one.at("gate").value != "value":
        return True, math.inf
    lower, upper = one.number("lower").known, one.number("upper").known
    room = lower - bound if lower >= bound else bound - upper
    return True, room / max(abs(bound), 1e-9) if room == room else math.inf


def _axes(decisions: Sequence[Source]) -> tuple[float, float]:
    """One axis for the intervals of all shares, as wide as they need."""
    ends = [
        one.number(name).known
        for one in decisions
        if one.at("gate").value == "value" and _is_share(one.at("metric").value or "")
        for name in ("value", "lower", "upper", "bound")
    ]
    known = [end for end in ends if math.isfinite(end)]
    return (min(known), max(known)) if known else (0.0, 1.0)


def _is_share(metric: str) -> bool:
    return metric.startswith(_SHARES)


def _interval(one: Source, low: float, high: float, *, passed: bool) -> Cell:
    if one.at("gate").value != "value" or one.number("value").value is None:
        return None
    value, lower, upper, bound = (one.number(name) for name in ("value", "lower", "upper", "bound"))
    if not _is_share(one.at("metric").value or ""):
        ends = [end.known for end in (value, lower, upper, bound) if math.isfinite(end.known)]
        low, high = min(ends), max(ends)
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    return Interval(value, lower, upper, bound, low, high, passed)


def evaluation(files: RunFiles) -> Section:
    """What was measured in each slice, and how the model decides."""
    found = files[record.EVALUATION]
    if not found.at("slices"):
        return Section("evaluation", "Evaluation")
    return Section(
        "evaluation", "Evaluation",
        [
            *_slices(files, found), *_curves(found), *_confusion(found), *_classes(found),
            *_predictions(files, found), *_continuations(found),
        ],
    )  # fmt: skip


def _slices(files: RunFiles, found: Source) -> Iterator[Block]:
    overall = found.at("slices", 0, "metrics")
    columns = summary.columns_of(overall.value)
    if not columns:
        return
    missed = {
        slice_key(one.at("slice").value)
        for one in files[record.VERDICT].each("decisions")
        if not one.at("passed").value
    }
    first, *others = found.each("slices")
    lower_is_better = columns[0] in LOWER_IS_BETTER

    def badness(one: Source) -> tuple[bool, float]:
        value = _shown(columns[0], one, overall).known
        value = np.nan_to_num(value, nan=-math.inf if lower_is_better else math.inf)
        return slice_key(one.at("slice").value) not in missed, -value if lower_is_better else value

    rows: list[list[Cell]] = []
    for one in (first, *sorted(others, key=badness)):
        where = one.at("slice").value
        values = [_shown(column, one, overall) for column in columns]
        tone = Mark("missed", BAD) if slice_key(where) in missed else None
        rows.append([slice_name(where), Count(one.number("examples")), *values, tone])
    confidence = found.number("confidence").value
    names = [name.removesuffix("_macro") for name in columns]
    yield Table(
        "Metrics of each slice; after overall those first that miss a bound, then the worst",
        ["slice", "sequences", *names, "bounds"],
        rows,
    )
    if confidence:
        ends: list[list[Cell]] = [
            [
                name,
                *(overall.number(name, part) for part in ("value", "lower", "upper")),
                _trained(found, name),
            ]
            for name in overall.value
        ]
        yield Table(
            f"Every metric over all sequences, its {100 * confidence:g} % interval, and the training split's",
            ["metric", "value", "lower", "upper", "train"], ends, shown=12,
        )  # fmt: skip


def _trained(found: Source, name: str) -> Number:
    whole = next((one for one in found.each("train") if not one.at("slice").value), None)
    return whole.number("metrics", name, "value") if whole else Number(None)


def _shown(name: str, one: Source, overall: Source) -> Number:
    """A metric of a slice; in the row of a class, what is measured of classes is that class's."""
    if of_class := summary.name_of_class(name, one.at("slice").value or {}, overall.value):
        return overall.number(of_class, "value")
    return one.number("metrics", name, "value")


def _curves(found: Source) -> Iterator[Block]:
    classes = list(found.items("curves"))
    if not classes:
        return
    worst = sorted(classes, key=lambda one: _area(found, one[0]))[:_CURVES]
    roc, recalled, calibrated, said = [], [], [], []
    for name, one in worst:
        negatives, positives = (one.number(of).known for of in ("negatives", "positives"))
        points = np.array([point[1:] for point in one.at("points").value], np.float64).reshape(-1, 2)
        false, true = points.T
        with np.errstate(invalid="ignore", divide="ignore"):
            roc.append(plots.Curve(name, list(zip(false / negatives, true / positives, strict=True))))
            precision = true[1:] / (true[1:] + false[1:])
        recalled.append(plots.Curve(name, list(zip(true[1:] / max(positives, 1), precision, strict=True))))
        bins = [(b["mean_probability"], b["positives"] / b["sequences"]) for b in one.at("calibration").value]
        calibrated.append(plots.Curve(name, bins))
        area = _area(found, name)
        said.append(f"{name}: area under the ROC curve {figure(area) if area == area else 'undefined'}")
    drawn = plots.lines(
        [
            plots.Panel("ROC", "false positive rate", "true positive rate", roc, diagonal=True, unit=True),
            plots.Panel("Precision and recall", "recall", "precision", recalled, unit=True),
            plots.Panel(
                "Calibration", "mean probability", "share of positives", calibrated,
                diagonal=True, unit=True, dots=True,
            ),
        ],
        said=f"ROC, precision-recall and calibration curve of {len(worst)} classes. {'; '.join(said)}.",
    )  # fmt: skip
    more = f" Of {len(classes)} classes those with the smallest area." if len(classes) > len(worst) else ""
    yield Plot(drawn, f"Each class against all others, on the evaluation split.{more}")


def _area(found: Source, name: str) -> float:
    return found.number("slices", 0, "metrics", f"auc[{name}]", "value").known


def _confusion(found: Source) -> Iterator[Block]:
    matrix = found.at("slices", 0, "confusion_matrix")
    if not matrix:
        return
    classes = matrix.at("classes").value
    if len(classes) > _MATRIX:
        yield _confusions(matrix)
        return
    rows: list[list[Cell]] = []
    for name, row in matrix.items("rows"):
        total = sum(row.value) or 1
        cells = [
            Heat(row.number(column), row.value[column] / total, hit=name == predicted)
            for column, predicted in enumerate(classes)
        ]
        rows.append([name, *cells])
    yield Table(
        "Confusion matrix: true classes down, predicted ones across; counts, and shares of the true class",
        ["true class", *(name or EMPTY for name in classes)], rows,
    )  # fmt: skip


def _confusions(matrix: Source) -> Block:
    """Of many classes the pairs that are taken for each other most often."""
    classes = matrix.at("classes").value
    names = list(matrix.at("rows").value)
    counts = np.array(list(matrix.at("rows").value.values()))
    wrong = np.where(np.array(names)[:, None] == np.array(classes), 0, counts)
    rows: list[list[Cell]] = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]:
        true, predicted = np.unravel_index(place, wrong.shape)
        if wrong[true, predicted]:
            count = matrix.number("rows", names[true], int(predicted))
            share = Percent(Number(float(count.known / counts[true].sum())))
            rows.append([names[true], classes[predicted], Count(count), share])
    columns = ["true class", "predicted class", "sequences", "share of the true class"]
    caption = f"Which of {len(classes)} classes are taken for which, the most frequent first"
    return Table(caption, columns, rows)


def _classes(found: Source) -> Iterator[Block]:
    metrics = found.at("slices", 0, "metrics")
    names = list(found.at("slices", 0, "confusion_matrix", "rows").value or {})
    names = names or [name[len("recall[") : -1] for name in metrics.value if name.startswith("recall[")]
    if not names:
        return
    measured = ("precision", "recall", "f1", "auc", "pr_auc")
    sizes = {
        one.at("slice", "label").value: one.number("examples")
        for one in found.each("slices")
        if list(one.at("slice").value) == ["label"]
    }
    names.sort(key=lambda name: np.nan_to_num(metrics.number(f"recall[{name}]", "value").known, nan=2.0))
    rows: list[list[Cell]] = [
        [
            name,
            Count(sizes.get(name, Number(None))),
            *(metrics.number(f"{of}[{name}]", "value") for of in measured),
        ]
        for name in names
    ]
    yield Table(
        "Each class against all others, the one that is recalled least first",
        ["class", "sequences", *measured],
        rows,
    )


def _predictions(files: RunFiles, found: Source) -> Iterator[Block]:
    points = [tuple(point) for point in found.at("predictions", "points").value or ()]
    if not points:
        return
    label = files[record.RUN].at("config", "data", "label").value or "label"
    errors = [predicted - truth for truth, predicted in points]
    metrics = found.at("slices", 0, "metrics")
    drawn = plots.scatter(
        points, errors, label,
        said=f"Predictions against true values of {len(points):,} sequences, and their residuals: mean "
        f"absolute error {metrics.number('mae', 'value').said}.",
    )  # fmt: skip
    of = found.number("predictions", "sequences").known
    yield Plot(drawn, f"{len(points):,} of {of:,.0f} sequences of the evaluation split, chosen by a hash.")


def _continuations(found: Source) -> Iterator[Block]:
    rows = [
        (said["prompt"], said["continuation"], said["reference"])
        for said in (one.value for one in found.each("continuations"))
    ]
    if rows:
        yield Text(
            "How the model goes on with sequences of the evaluation split, the likeliest token each time:"
        )
        yield Samples(rows)


def against(files: RunFiles) -> Section:
    """The model beside the last blessed model and the trivial ones."""
    found = files[record.EVALUATION]
    overall = found.at("slices", 0, "metrics")
    trivial = list(found.items("trivial"))
    baseline = next((one for one in found.each("baseline") if not one.at("slice").value), None)
    if not overall or not (trivial or baseline):
        return Section("against", "Against other models")
    columns = summary.columns_of(overall.value)
    asked = {one.at("metric").value for one in files[record.VERDICT].each("decisions")}
    columns = tuple(dict.fromkeys([*columns, *sorted(name for name in asked if name in overall.value)]))
    rows: list[list[Cell]] = [["this model", *(overall.number(name, "value") for name in columns)]]
    if baseline:
        rows.append(["last blessed model", *(baseline.number("metrics", name, "value") for name in columns)])
    rows += [[name.replace("_", " "), *(one.number(metric) for metric in columns)] for name, one in trivial]
    blocks: list[Block] = [Table("The same evaluation split, asked of each", ["model", *columns], rows)]
    if not baseline:
        blocks.append(Text("There is no last blessed model to compare with."))
    return Section("against", "Against other models", blocks)
