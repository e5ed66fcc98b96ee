"""Two runs side by side: what changed in configuration, data and metrics."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pipeline import record, summary
from pipeline.report.blocks import BAD, GOOD, Block, Cell, Count, Mark, Reason, Section, Table, Text
from pipeline.report.page import rendered
from pipeline.report.source import Number, RunFiles, Source, slice_key, slice_name

_PLACES = ("data.source", "push.to", "run.")  # where things are; of these a change is named last


def comparison(one: RunFiles, other: RunFiles) -> str:
    """The page of two runs, complete: it asks nobody for anything."""
    parts = (_outcomes, _configuration, _data, _metrics, _decisions)
    sections = [section for section in (part(one, other) for part in parts) if section.blocks]
    names = [f"{files.run['name']} {files.run['run_id']}" for files in (one, other)]
    return rendered(" and ".join(names), f"{names[0]} beside {names[1]}", "plain", sections)


def _heads(one: RunFiles, other: RunFiles) -> list[str]:
    both = [files.run for files in (one, other)]
    same = both[0]["run_id"] == both[1]["run_id"]
    return [f"{run['name']} {run['run_id']}" if same else run["run_id"] for run in both]


def _outcomes(one: RunFiles, other: RunFiles) -> Section:
    both = [files.run for files in (one, other)]
    rows: list[list[Cell]] = [
        ["outcome", *(summary.headline(run) for run in both)],
        ["started", *(str(run["started"]) for run in both)],
        ["version", *(str((run["pushed"] or {}).get("version", "–")) for run in both)],
        ["requirements met", *(_met(files) for files in (one, other))],
        ["digest of the data", *(str(run.get("source_fingerprint") or "–") for run in both)],
    ]
    return Section("outcome", "Outcome", [Table("What came of the runs", [None, *_heads(one, other)], rows)])


def _met(files: RunFiles) -> str:
    met, asked = summary.met_and_asked((files[record.VERDICT].value or {}).get("decisions", ()))
    return f"{met} of {asked}" if asked else "–"


def _configuration(one: RunFiles, other: RunFiles) -> Section:
    rows: list[list[Cell]] = []
    for part in ("config", "versions"):
        flat = [dict(_leaves(files.run.get(part) or {})) for files in (one, other)]
        changed = [
            name for name in dict.fromkeys([*flat[0], *flat[1]]) if flat[0].get(name) != flat[1].get(name)
        ]
        changed.sort(key=lambda name: name.startswith(_PLACES))
        rows += [[name, *(_said(of, name) for of in flat)] for name in changed]
    if not rows:
        return Section("configuration", "Configuration", [Text("Configuration and versions are the same.")])
    table = Table("What differs in configuration and versions", ["key", *_heads(one, other)], rows, shown=50)
    return Section("configuration", "Configuration", [table])


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of a configuration with dots, and what they are set to."""
    for name, below in value.items():
        if isinstance(below, Mapping) and below:
            yield from _leaves(below, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", below


def _said(of: Mapping[str, Any], name: str) -> Cell:
    if name not in of:
        return "–"
    text = yaml.safe_dump(of[name], default_flow_style=True, allow_unicode=True, width=math.inf)
    return Reason(text.removesuffix("\n...\n").strip())


def _data(one: RunFiles, other: RunFiles) -> Section:
    both = [files[record.VALIDATION] for files in (one, other)]
    if not all(both):
        return Section("data", "Data")
    splits = dict.fromkeys(name for of in both for name in of.at("splits").value or ())
    rows: list[list[Cell]] = [
        [f"{split}: {name}", *_pair(*(of.number("splits", split, name) for of in both), whole=True)]
        for split in splits
        for name in ("sequences", "steps")
    ]
    heads = _heads(one, other)
    blocks: list[Block] = [Table("Splits", [None, *heads, "difference"], rows)]
    kinds = [of.at("features", "kinds").value or {} for of in both]
    features: list[list[Cell]] = [
        [name, *(of.get(name, "–") for of in kinds)]
        for name in dict.fromkeys([*kinds[0], *kinds[1]])
        if kinds[0].get(name) != kinds[1].get(name)
    ]
    if features:
        blocks.append(Table("Features that only one has, or as another kind", ["feature", *heads], features))
    counts = [{_named(found.value): found.number("count") for found in of.each("findings")} for of in both]
    found: list[list[Cell]] = [
        [
            f"{severity}: {check}",
            where or "–",
            *(Count(of.get((severity, check, where), Number(None))) for of in counts),
        ]
        for severity, check, where in dict.fromkeys([*counts[0], *counts[1]])
    ]
    if found:
        blocks.append(Table("Findings", ["finding", "where", *heads], found))
    return Section("data", "Data", blocks)


def _named(finding: Mapping[str, Any]) -> tuple[str, str, str]:
    return finding["severity"], finding["check"], summary.where(finding)


def _metrics(one: RunFiles, other: RunFiles) -> Section:
    both = [files[record.EVALUATION] for files in (one, other)]
    if not all(of.at("slices") for of in both):
        return Section("metrics", "Metrics")
    slices = [{slice_key(found.at("slice").value): found for found in of.each("slices")} for of in both]
    overall = [next(iter(of.values())) for of in slices]
    heads = _heads(one, other)
    names = dict.fromkeys(name for found in overall for name in found.at("metrics").value)
    rows: list[list[Cell]] = [
        [name, *_pair(*(found.number("metrics", name, "value") for found in overall))] for name in names
    ]
    blocks: list[Block] = [Table("Metrics over all sequences", ["metric", *heads, "difference"], rows)]
    columns = [
        name
        for name in summary.columns_of(overall[0].at("metrics").value)
        if name in overall[1].at("metrics").value
    ][:3]
    of_slices: list[list[Cell]] = []
    for where in list(dict.fromkeys([*slices[0], *slices[1]]))[1:]:
        pair = [of.get(where, Source(None, "")) for of in slices]
        cells: list[Cell] = [slice_name(dict(where)), *(Count(found.number("examples")) for found in pair)]
        for column in columns:
            cells += _pair(*(found.number("metrics", column, "value") for found in pair))
        of_slices.append(cells)
    if of_slices and columns:
        headings = ["slice", *(f"sequences, {head}" for head in heads)]
        headings += [f"{column}, {what}" for column in columns for what in (*heads, "difference")]
        blocks.append(Table("Metrics of each slice", headings, of_slices))
    return Section("metrics", "Metrics", blocks)


def _pair(one: Number, other: Number, *, whole: bool = False) -> list[Cell]:
    """Two numbers and their difference, the second minus the first."""
    known = one.value is not None and other.value is not None
    numbers = [one, other, Number(other.known - one.known if known else None)]
    return [Count(number) for number in numbers] if whole else [*numbers]


def _decisions(one: RunFiles, other: RunFiles) -> Section:
    """What one run meets and the other misses."""
    both = [
        {
            (found["gate"], found["metric"], slice_key(found["slice"])): found
            for found in (files[record.VERDICT].value or {}).get("decisions", ())
        }
        for files in (one, other)
    ]
    if not all(both):
        return Section("decisions", "Requirements")
    changed = [
        key for key in dict.fromkeys([*both[0], *both[1]])
        if both[0].get(key, {}).get("passed") != both[1].get(key, {}).get("passed")
    ]  # fmt: skip
    rows: list[list[Cell]] = [
        [
            gate.replace("_", " "),
            metric or "–",
            slice_name(dict(where)),
            *(_mark(of.get((gate, metric, where))) for of in both),
        ]
        for gate, metric, where in changed
    ]
    if not rows:
        return Section("decisions", "Requirements", [Text("Both meet and miss the same requirements.")])
    columns = ["gate", "metric", "slice", *_heads(one, other)]
    return Section("decisions", "Requirements", [Table("Requirements with another outcome", columns, rows)])


def _mark(found: Mapping[str, Any] | None) -> Cell:
    if found is None:
        return "not asked"
    return Mark("met", GOOD) if found["passed"] else Mark("missed", BAD)
