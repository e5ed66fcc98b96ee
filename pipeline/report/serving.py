"""The sections on what is served, and on how to reproduce the run."""

from collections.abc import Iterator

import yaml

from pipeline import record
from pipeline.report.blocks import BAD, GOOD, Block, Cell, Facts, Folded, Mark, Section, Table, Text
from pipeline.report.source import RunFiles


def serving(files: RunFiles) -> Section:
    """Whether the export can be served, and what was pushed."""
    return Section("serving", "Serving", [*_servability(files), *_push(files)])


def _servability(files: RunFiles) -> Iterator[Block]:
    found = files[record.SERVABILITY]
    if not found:
        return
    rows: list[list[Cell]] = [
        [
            one.value["name"],
            Mark("passed", GOOD) if one.value["passed"] else Mark("failed", BAD),
            "; ".join(one.value["reasons"]) or None,
        ]
        for one in found.each("checks")
    ]
    yield Table(
        f"What the export was asked, for TensorFlow Serving {found.at('tf_serving').value}",
        ["check", None, "reasons"], rows,
    )  # fmt: skip
    if measured := found.at("measured"):
        words = {
            "load_s": "loads in, s", "requests": "requests", "p50_ms": "answers in (median), ms",
            "p99_ms": "answers in (99th percentile), ms", "memory_mb": "memory, MB",
        }  # fmt: skip
        yield Facts([(said, measured.number(name)) for name, said in words.items()])


def _push(files: RunFiles) -> Iterator[Block]:
    pushed = files.run.get("pushed")
    if not pushed:
        if files.run.get("status") not in (record.RUNNING, record.KILLED, "checked"):
            yield Text("Nothing was pushed.")
        return
    if pushed.get("already_served"):
        yield Text("TensorFlow Serving serves this very model already; it was not pushed again.")
    yield Facts([(name, str(pushed[name])) for name in ("version", "path", "sha256")])


def reproduction(files: RunFiles) -> Section:
    """What it takes to get the same again."""
    run = files[record.RUN]
    versions = [(name, str(version.value)) for name, version in run.items("versions")]
    seed = run.at("config", "training", "seed").value
    facts: list[tuple[str, Cell]] = [("run", files.run["run_id"])]
    if seed is not None:
        facts.append(("seed", str(seed)))
    if fingerprint := files.run.get("source_fingerprint"):
        facts.append(("digest of the data", fingerprint))
    if name := files.run.get("metadata_run"):
        facts.append(("run in ML Metadata", name))
    blocks: list[Block] = [Facts([*facts, *versions])]
    stages: list[list[Cell]] = [
        [
            one.value["name"],
            one.value["status"],
            "from the cache" if one.value["cached"] else None,
            one.number("seconds"),
        ]
        for one in run.each("stages")
    ]
    if stages:
        blocks.append(Table("Stages", ["stage", "status", None, "seconds"], stages, shown=30))
    artifacts: list[list[Cell]] = [
        [stage, key, one.value["type"], str(one.value["id"]), one.value["uri"]]
        for stage, of in run.items("artifacts")
        for key, one in of.items()
    ]
    if artifacts:
        columns = ["stage", "output", "type", "id", "place"]
        blocks.append(Folded("Artifacts", [Table("Artifacts in ML Metadata", columns, artifacts, shown=50)]))
    if config := files.run.get("config"):
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100)
        blocks.append(Folded("The configuration, as it was resolved", code=text))
    return Section("reproduction", "To reproduce it", blocks)
