"""Says how a split was made, or why the source cannot be used."""

from collections.abc import Sequence
from typing import Any

from components.ingest import splits
from components.ingest.beam_flow import SPLITS
from components.ingest.layout import READERS, Layout
from components.ingest.problems import SHOWN, Report, file_of, merge, positions, refusal, row_of, with_more
from components.ingest.steps import MISSHAPEN
from pipeline.errors import DataRefused


def manifest(layout: Layout, outcome: dict[str, Any]) -> dict[str, Any]:
    """Rule, cutoff, counts, time ranges, what was left out and why, rows skipped, kinds of features.

    Args:
      layout: the source.
      outcome: what the Beam pipeline saved.

    Raises:
      DataRefused: something cannot be used, or a split would be empty.
    """
    report = merge(outcome["reports"])
    if report.fatal_count or (report.problems and layout.data.on_bad_rows == "error"):
        _refuse(layout, report)
    parts = outcome["counts"]
    left_out = _sums([part["left_out"] for part in parts])
    found = {name: _together([part["splits"][name] for part in parts], layout) for name in SPLITS}
    _refuse_empty(found, left_out, layout)
    unit = "sequences" if layout.data.window is None else "windows"
    by_time = layout.config.split_by == "time"
    return {
        "rule": layout.config.split_by,
        "cutoff": splits.moment_text(outcome["cutoff"], layout.time) if by_time else None,
        "gap": layout.config.split.gap,
        "unit": unit,
        "left_out": left_out,
        "splits": found,
        "rows": {
            "read": report.rows,
            "skipped": report.left_out,
            "examples": texts_with_places(layout, report.shown) if report.left_out else [],
        },
        "features": dict(layout.kinds),
        "inferred": layout.inferred,
        "time": None if layout.time is None else str(layout.time),
    }


def texts_with_places(layout: Layout, shown: Sequence[tuple[int, str]]) -> list[str]:
    """Problems with file and line, in the order of the files."""
    found: dict[int, str] = {}
    for number, file in enumerate(layout.files):
        own = [row_of(position) for position, _ in shown if file_of(position) == number]
        rows = sorted({row for row in own if row < MISSHAPEN})
        misshapen = sorted({row - MISSHAPEN for row in own if row >= MISSHAPEN})
        if not own:
            continue
        reader = READERS[str(layout.config.format)]
        lines, wrong_lines = reader.places(file.path, layout.data, rows, misshapen)
        for row, line in zip(rows, lines, strict=True):
            found[positions(number, row)] = f"{file.path}, {line}"
        for row, line in zip(misshapen, wrong_lines, strict=True):
            found[positions(number, MISSHAPEN + row)] = f"{file.path}, {line}"
    return [f"{found[position]}, {text}" for position, text in shown]


def _refuse(layout: Layout, report: Report) -> None:
    places = report.problems + report.fatal_count
    texts = [*report.fatal, *texts_with_places(layout, report.shown)][:SHOWN]
    if places == 1 and not report.shown:
        raise refusal(texts[0])
    hint = [] if report.fatal_count else ["data.on_bad_rows: skip leaves such rows out, and lists them"]
    raise DataRefused(f"places that cannot be used: {places:,}", [*with_more(texts, places), *hint])


def _sums(parts: Sequence[dict[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0) for part in parts) for name in sorted(names)}


def _together(parts: Sequence[dict[str, Any]], layout: Layout) -> dict[str, Any]:
    first = [part["first_time"] for part in parts if "first_time" in part]
    last = [part["last_time"] for part in parts if "last_time" in part]
    return {
        "sequences": sum(part["sequences"] for part in parts),
        "steps": sum(part["steps"] for part in parts),
        "first_time": splits.moment_text(min(first, default=None), layout.time),
        "last_time": splits.moment_text(max(last, default=None), layout.time),
    }


def _refuse_empty(found: dict[str, Any], left_out: dict[str, int], layout: Layout) -> None:
    unit = "sequences" if layout.data.window is None else "windows"
    total = sum(part["sequences"] for part in found.values())
    why = "".join(f", {count:,} {reason}" for reason, count in left_out.items())
    remedy = {
        "given": "give files that hold some",
        "time": "change split.eval_fraction, split.cutoff or split.gap",
        "order": "change split.eval_fraction or split.gap",
        "sequence": "change split.eval_fraction, give more sequences, or use split.by: order",
    }[layout.config.split_by]
    for name in SPLITS:
        if not found[name]["sequences"]:
            raise DataRefused(
                f"the {name} split would be empty",
                [f"{total:,} {unit} split by {layout.config.split_by}{why}; {remedy}"],
            )
