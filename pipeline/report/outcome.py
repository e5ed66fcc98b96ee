"""The top of the page: pushed or refused, the reasons in sentences, and what to do next."""

from collections.abc import Iterator
from typing import Any

from pipeline import record, summary
from pipeline.report.blocks import BAD, GOOD, PLAIN, WARN, Block, Facts, Notice, Section
from pipeline.report.source import RunFiles, slice_name

_TONES = {"pushed": GOOD, "checked": GOOD, record.RUNNING: PLAIN}
_AT_ONCE = 5  # reasons of one kind; the tables below have all


def tone(run: dict[str, Any]) -> str:
    """How good the outcome of a run is."""
    return _TONES.get(run["status"], BAD)


def outcome(files: RunFiles) -> Section:
    """Why the run ended as it did."""
    return Section("outcome", "Outcome", [*_reasons(files), *_warnings(files), _facts(files)])


def _reasons(files: RunFiles) -> Iterator[Block]:
    findings = [
        one for one in files[record.VALIDATION].each("findings") if one.at("severity").value == "error"
    ]
    failed = [one for one in files[record.VERDICT].each("decisions") if not one.at("passed").value]
    checks = [one for one in files[record.SERVABILITY].each("checks") if not one.at("passed").value]
    for one in findings[:_AT_ONCE]:
        finding = one.value
        yield Notice(
            BAD, f"{finding['check']} ({summary.where(finding)})", finding["message"], remedy=finding["fix"]
        )
    for one in failed[:_AT_ONCE]:
        decision = one.value
        where = slice_name(decision["slice"])
        gate = decision["gate"].replace("_", " ")
        title = f"{decision['metric']}, {where} ({gate})" if decision["metric"] else f"{where} ({gate})"
        yield Notice(BAD, title, decision["reason"], remedy=decision["next_action"])
    for one in checks:
        check = one.value
        yield Notice(BAD, check["name"], "; ".join(check["reasons"]), remedy=check["next_action"])
    for kind, all_of_it in (("findings", findings), ("requirements", failed)):
        if (more := len(all_of_it) - _AT_ONCE) > 0:
            yield Notice(BAD, f"and {more:,} more {kind}", f"The section on {kind} below has all of them.")
    if not (findings or failed or checks) and (error := files.run.get("error")):
        said, *lines = str(error).splitlines() or ["no message"]
        lines = [line.strip().removeprefix("- ") for line in lines]
        yield Notice(BAD, files.run["status"].replace("_", " "), said, lines=lines)


def _warnings(files: RunFiles) -> Iterator[Block]:
    verdict = files[record.VERDICT].value or {}
    for warning in verdict.get("warnings", ()):
        yield Notice(WARN, "warning", warning)
    if verdict.get("forced"):
        by = f" by {verdict['forced_by']}" if verdict.get("forced_by") else ""
        yield Notice(WARN, f"forced past the last blessed model{by}", verdict["forced"])


def _facts(files: RunFiles) -> Block:
    run = files[record.RUN]
    met, asked = summary.met_and_asked((files[record.VERDICT].value or {}).get("decisions", ()))
    findings = [one["severity"] for one in (files[record.VALIDATION].value or {}).get("findings", ())]
    counted = [
        f"{findings.count(severity)} {severity}{'' if findings.count(severity) == 1 else 's'}"
        for severity in ("error", "warning")
    ]
    items = [
        ("model", files.run["name"]),
        ("task", run.at("config", "task").value),
        ("started", files.run["started"]),
        ("finished", files.run["finished"]),
        ("took", _duration(files.run)),
        ("data", ", ".join(counted) if files[record.VALIDATION] else None),
        ("requirements", f"{met} of {asked} met" if asked else None),
        ("version", run.at("pushed", "version").value),
    ]
    return Facts([(name, str(value)) for name, value in items if value])


def _duration(run: dict[str, Any]) -> str:
    return f"{sum(stage['seconds'] for stage in run['stages']):,.1f} s in {len(run['stages'])} stages"
