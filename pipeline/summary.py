"""A run in words, from its JSON files alone."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from components.verdict.slices import slice_text
from pipeline import record, run_lock
from pipeline.errors import INTERRUPTED, ConfigError
from pipeline.figures import figure

# What the table of metrics shows of each task, which is the first whose metrics were all measured.
_COLUMNS = (
    ("accuracy", "precision", "recall", "f1", "auc", "pr_auc"),
    ("accuracy", "precision_macro", "recall_macro", "f1_macro", "auc_macro"),
    ("log_loss", "perplexity", "accuracy", "bleu"),
    ("rmse", "mae", "r2"),
    ("rmse", "mae"),
)
_SHOWN_SLICES = 20
_SHOWN_FEATURES = 8
_ALONE = 3  # findings of one check shown one by one; of more the first, and how many there are
_SHOWN_IDS = 3


def headline(run: dict[str, Any]) -> str:
    """The outcome in one line."""
    words = {
        "pushed": "pushed: the model meets every requirement",
        "checked": "checked: the data has no error",
        "data_refused": "data refused",
        "model_refused": "model refused: nothing was pushed",
        "not_servable": "model not servable: nothing was pushed",
    }
    if run["status"] == "pushed" and run["pushed"].get("already_served"):
        return f"already served as version {run['pushed']['version']}: the model meets every requirement"
    if run["pushed"] and run["status"] != "pushed":
        return "failed after the push: the model is being served"
    if run["status"] == record.RUNNING:
        return f"at work since {run['started']}{_in_process(run)}"
    if run["status"] == record.KILLED:
        return f"killed {_moment(run)}"
    if run["exit_code"] == INTERRUPTED:
        return "interrupted: nothing was pushed; run it again to go on from the finished stages"
    if run["exit_code"] == ConfigError.exit_code:
        return "wrong configuration: nothing was pushed"
    return words.get(run["status"], "failed: nothing was pushed")


def data_lines(validation: dict[str, Any] | None) -> Iterator[str]:
    """Sequences and steps of each split, what was left out, features by kind, and skipped rows."""
    if not validation:
        return
    unit = validation["split"]["unit"]
    for name, split in validation["splits"].items():
        times = f", {split['first_time']} to {split['last_time']}" if split["first_time"] is not None else ""
        yield f"{name:<5} {split['sequences']:,} {unit}, {split['steps']:,} steps{times}"
    for why, count in validation["split"]["left_out"].items():
        yield f"left out: {count:,} ({why})"
    features = validation["features"]
    kinds = _kinds_in_words(features["kinds"])
    yield f"features: {kinds}{' (inferred; data.features overrides)' if features['inferred'] else ''}"
    rows = validation["rows"]
    if rows["skipped"]:
        yield f"skipped: {rows['skipped']:,} of {rows['read']:,} rows, such as"
        yield from (f"  {place}" for place in rows["examples"][:3])


def _kinds_in_words(kinds: dict[str, str]) -> str:
    """Features by kind, such as `float f0 … f4 (5), category site`."""
    by_kind: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        by_kind.setdefault(kind, []).append(name)
    shown = {
        kind: ", ".join(names)
        if len(names) <= _SHOWN_FEATURES
        else f"{names[0]} … {names[-1]} ({len(names)})"
        for kind, names in by_kind.items()
    }
    return "; ".join(f"{kind} {names}" for kind, names in shown.items())


def findings_table(validation: dict[str, Any]) -> Table:
    """The findings about the data, errors first; of a check with many, the one with most sequences."""
    table = Table(box=None, pad_edge=False)
    for name in ("severity", "check", "where", "sequences", "finding"):
        table.add_column(name, justify="right" if name == "sequences" else "left")
    for (severity, check), found in _by_check(validation).items():
        for one in found if len(found) <= _ALONE else [max(found, key=lambda one: one["count"])]:
            table.add_row(severity, check, where(one), f"{one['count']:,}", one["message"])
        if len(found) > _ALONE:
            names = [one["feature"] or one["split"] for one in found]
            shown = ", ".join(names[:_SHOWN_FEATURES]) + (", …" if len(names) > _SHOWN_FEATURES else "")
            table.add_row("", "", "", "", f"and {len(found) - 1} more; all: {shown}")
    return table


def remedies(validation: dict[str, Any]) -> Iterator[str]:
    """What to do about each check that found something, errors first."""
    for (severity, check), found in _by_check(validation).items():
        for fix in dict.fromkeys(one["fix"] for one in found):
            yield f"{severity} {check}: {fix}"


def where(finding: Mapping[str, Any]) -> str:
    """Split and feature of a finding."""
    return ", ".join(part for part in (finding["split"], finding["feature"]) if part)


def _by_check(validation: dict[str, Any]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for finding in validation["findings"]:
        grouped.setdefault((finding["severity"], finding["check"]), []).append(finding)
    return grouped


def training_line(run: dict[str, Any]) -> str | None:
    """What was trained, in one line."""
    history = run.get("training")
    if not history:
        return None
    model, epochs = run["config"]["model"], history["epochs"]
    best = min(range(len(epochs)), key=lambda epoch: epochs[epoch]["val_loss"])
    kind = "bidirectional GRU" if model["bidirectional"] else "GRU"
    layers = ", ".join(str(units) for units in model["units"])
    count = f"{len(epochs)} epoch{'' if len(epochs) == 1 else 's'}"
    return (
        f"{kind}({layers}), {history['parameters']:,} parameters, {count}; "
        f"kept epoch {best + 1} (validation loss {figure(epochs[best]['val_loss'])})"
    )


def columns_of(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """The metrics that are shown of a model, from all that were measured."""
    return next((names for names in _COLUMNS if all(name in metrics for name in names)), ())


def metrics_table(evaluation: dict[str, Any]) -> Table:
    """Metrics by slice, overall first.

    A class's row holds that class against all others, over all sequences: within the sequences of
    one class its precision would always be 1.
    """
    overall = evaluation["slices"][0]["metrics"]
    columns = columns_of(overall)
    table = Table(box=None, pad_edge=False, header_style="none")
    table.add_column("slice", overflow="fold")
    for name in ("sequences", *columns):
        table.add_column(name.removesuffix("_macro"), justify="right", no_wrap=True)
    for one in evaluation["slices"][:_SHOWN_SLICES]:
        values = (shown_metric(name, one, overall) for name in columns)
        shown = ("–" if value is None else figure(value) for value in values)
        table.add_row(slice_text(one["slice"]), f"{one['examples']:,}", *shown)
    if len(evaluation["slices"]) > _SHOWN_SLICES:
        table.add_row(f"… and {len(evaluation['slices']) - _SHOWN_SLICES} more slices")
    return table


def shown_metric(name: str, one: dict[str, Any], overall: dict[str, Any]) -> float | None:
    """A metric of a slice; in the row of a class, what is measured of classes is that class's."""
    of_class = name_of_class(name, one["slice"], overall)
    metric = overall[of_class] if of_class else one["metrics"].get(name)
    return metric["value"] if metric else None


def name_of_class(name: str, where: Mapping[str, str], overall: Mapping[str, Any]) -> str:
    """What a metric of classes is called of the class that a slice is of; empty where it is of none."""
    of_class = f"{name.removesuffix('_macro')}[{where.get('label')}]"
    return of_class if "label" in where and of_class in overall else ""


def reasons(folder: Path) -> dict[str, Any]:
    """Why a run ended as it did, for programs: what failed, with every figure of it."""
    run = run_lock.outcome(folder)
    validation = record.read(folder, record.VALIDATION) or {"findings": []}
    verdict = record.read(folder, record.VERDICT) or {}
    decisions = verdict.get("decisions", [])
    servability = record.read(folder, record.SERVABILITY) or {}
    met, asked = met_and_asked(decisions)
    return {
        **{name: run[name] for name in ("run_id", "name", "status", "exit_code", "error", "pushed")},
        "reasons": [
            *(finding for finding in validation["findings"] if finding["severity"] == "error"),
            *filter(_failed, decisions),
            *filter(_failed, servability.get("checks", ())),
        ],
        "forced": verdict.get("forced"),
        "forced_by": verdict.get("forced_by"),
        "warnings": [
            *(finding for finding in validation["findings"] if finding["severity"] == "warning"),
            *verdict.get("warnings", []),
            *(one["reason"] for one in decisions if _unjudged(one)),
        ],
        "met": met,
        "asked": asked,
    }


def met_and_asked(decisions: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """How many requirements a model meets, and how many there are."""
    judged = [decision for decision in decisions if not _unjudged(decision)]
    return sum(decision["passed"] for decision in judged), len(judged)


def _unjudged(decision: dict[str, Any]) -> bool:
    """Whether a decision only says that a slice is too small to decide on."""
    return bool(decision["gate"] == "slice_size" and decision["passed"])


def why(folder: Path) -> Iterator[str]:
    """Why a run ended as it did: reasons first, each with what to do next."""
    run = run_lock.outcome(folder)
    yield f"{run['name']} {run['run_id']}: {headline(run)}"
    if run["status"] in (record.RUNNING, record.KILLED):
        yield from _progress_lines(run)
        return
    validation = record.read(folder, record.VALIDATION)
    refused = [] if not validation else [f for f in validation["findings"] if f["severity"] == "error"]
    for finding in refused:
        yield f"  - {finding['check']} ({where(finding)}): {finding['message']}"
        if finding["examples"]:
            more = ", …" if finding["count"] > _SHOWN_IDS else ""
            yield f"    such as {', '.join(finding['examples'][:_SHOWN_IDS])}{more}"
        yield f"    next: {finding['fix']}"
    servability = record.read(folder, record.SERVABILITY) or {"checks": []}
    explained = refused or run["status"] == "model_refused" or any(map(_failed, servability["checks"]))
    if run["error"] and not explained:
        yield f"  {run['error']}"
    warnings = len(validation["findings"]) - len(refused) if validation else 0
    if warnings:
        plural = "" if warnings == 1 else "s"
        yield f"  {warnings} warning{plural} about the data: {shown_path(folder)}/{record.VALIDATION}"
    yield from _verdict_lines(record.read(folder, record.VERDICT) or {"decisions": []})
    yield from _servability_lines(servability)
    if run["pushed"]:
        yield f"  version {run['pushed']['version']} is in {shown_path(run['pushed']['path'])}"


def taken_over(run: dict[str, Any]) -> str:
    """What a run says of one before it, which did not come to its end."""
    interrupted = run["exit_code"] == INTERRUPTED
    how = "was killed" if run["status"] == record.KILLED else "was interrupted" if interrupted else "failed"
    return (
        f"run {run['run_id']} {how} {_moment(run)}: what it had finished is taken over where nothing "
        "has changed since"
    )


def _moment(run: dict[str, Any]) -> str:
    """How far a run has come, such as `in Transform`."""
    if at_work := [stage["name"] for stage in run["stages"] if stage["status"] == "running"]:
        return f"in {', '.join(at_work)}"
    return f"after {run['stages'][-1]['name']}" if run["stages"] else "before its first stage"


def _in_process(run: dict[str, Any]) -> str:
    return f", {record.process_in_words(run['process'])}" if run["process"] else ""


def _progress_lines(run: dict[str, Any]) -> Iterator[str]:
    """The stages of a run without an end, and how to go on where it will have none."""
    finished = [stage["name"] for stage in run["stages"] if stage["status"] == "done"]
    yield f"  finished: {', '.join(finished) or 'no stage'}"
    if run["status"] == record.RUNNING:
        yield f"  now {_moment(run)}"
        return
    yield "  the same command goes on from there: behind its finished stages, and a training's last epoch"
    if any(stage["name"] == "Pusher" for stage in run["stages"]):
        yield "  sluice versions CONFIG says whether its model is being served"


def _verdict_lines(verdict: dict[str, Any]) -> Iterator[str]:
    """What each gate said of the model, failures first."""
    failed: dict[tuple[object, ...], list[dict[str, Any]]] = {}
    for decision in verdict["decisions"]:
        if not decision["passed"]:
            key = (decision["gate"], decision["metric"], *decision["slice"])
            failed.setdefault(key, []).append(decision)
    for alike in failed.values():
        for decision in alike[:_ALONE]:
            yield f"  - {decision['reason']}"
            yield f"    next: {decision['next_action']}"
        if more := [slice_text(decision["slice"]) for decision in alike[_ALONE:]]:
            named = ", ".join(more[:_SHOWN_FEATURES]) + (", …" if len(more) > _SHOWN_FEATURES else "")
            yield f"  - {alike[0]['metric']}: {len(more)} more, which miss by less: {named}"
    met, asked = met_and_asked(verdict["decisions"])
    if asked:
        yield f"  {met} of {asked} requirements are met"
    small = [one["reason"] for one in verdict["decisions"] if _unjudged(one)]
    if small:
        others = f"; and {len(small) - 1} more" if len(small) > 1 else ""
        yield f"  warning: {small[0]}{others}"
    for warning in verdict.get("warnings", ()):
        yield f"  warning: {warning}"
    if verdict.get("forced"):
        by = f" by {verdict['forced_by']}" if verdict.get("forced_by") else ""
        yield f"  forced past the last blessed model{by}: {verdict['forced']}"


def _servability_lines(servability: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the export, or what serving it takes."""
    for check in filter(_failed, servability["checks"]):
        yield from (f"  - {check['name']}: {reason}" for reason in check["reasons"])
        yield f"    next: {check['next_action']}"
    if measured := servability.get("measured"):
        yield (
            f"  in TensorFlow Serving's loader: loads in {figure(measured['load_s'])} s, answers in "
            f"{figure(measured['p50_ms'])} ms (p99 {figure(measured['p99_ms'])}), "
            f"{measured['memory_mb']:,.0f} MB"
        )


def _failed(one: dict[str, Any]) -> bool:
    return not one["passed"]


def shown_path(path: str | Path) -> str:
    """A path as short as it can be said: relative where it lies below the working directory."""
    if "://" in str(path):
        return str(path)
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
