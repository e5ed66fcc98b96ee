"""Looks at an export from its files to its answers."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from components.servability.checks import RETRAIN, Check
from components.servability.files import GRAPH, check_files
from components.servability.graph import check_ops, check_paths, check_signatures, serving_graph
from components.servability.process import Answer, Died, Inputs, fresh_process
from components.servability.trials import (
    ANSWERS,
    BATCHES,
    FINITE,
    TIMED,
    WARMUP,
    WRONG,
    Expected,
    Trial,
    timed,
    trials,
)
from components.trainer.requests import of_json
from pipeline.config import Servability
from serving.loader.errors import ServingError
from serving.loader.signatures import Signature, signature_of
from serving.loader.tensors import numpy_kind
from serving.warm_up import stored_requests

LOADS, LATENCY, MEMORY = "loads", "latency", "memory"
_TIMED_REQUESTS = {True: 1000, False: 100}  # whether there is a budget
_SHOWN = 3  # reasons of a check
_NEXT = {
    ANSWERS: RETRAIN,
    BATCHES: "the graph reads padding or other rows: look at masks and at what is computed over the batch",
    FINITE: "train with a smaller learning rate or training.clip_norm",
    WRONG: "the graph must check its inputs, and keep no state between requests",
    WARMUP: RETRAIN,
}


@dataclass(frozen=True)
class Inspection:
    """What came of it.

    Attributes:
      checks: in the order they were made; those behind a failed one that they need are left out.
      measured: `load_s`, `p50_ms`, `p99_ms` of one sequence as tensors, `memory_mb`, `requests`.
    """

    checks: tuple[Check, ...]
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def servable(self) -> bool:
        """Whether every check is passed."""
        return all(check.passed for check in self.checks)


def inspect(
    folder: str, expected: Mapping[str, Any], task: str, settings: Servability, roots: Iterable[str]
) -> Inspection:
    """Whether TensorFlow Serving can load an export and will answer as the trainer did.

    Args:
      folder: of the export, local.
      expected: content of the trainer's `expected.json`.
      task: of the configuration.
      settings: the section `servability`.
      roots: folders that the server will not have.
    """
    files = check_files(folder, expected["files"])
    if not files.passed:
        return Inspection((files,))
    try:
        graph = serving_graph(Path(folder, GRAPH).read_bytes())
    except ServingError as error:
        return Inspection((files, Check(LOADS, (str(error),), RETRAIN)))
    signatures = {name: signature_of(one) for name, one in graph.signature_def.items()}
    still = (
        files,
        check_signatures(signatures, task),
        check_ops(graph, settings.version),
        check_paths(graph, roots),
    )
    if not all(check.passed for check in still):
        return Inspection(still)
    checks, measured = _asked(folder, expected, signatures, settings)
    return Inspection((*still, *checks), measured)


def _asked(
    folder: str, expected: Mapping[str, Any], signatures: Mapping[str, Signature], settings: Servability
) -> tuple[list[Check], dict[str, float]]:
    stored = stored_by_signature(expected["requests"], signatures)
    answers = Expected({name: _array(one) for name, one in expected["answers"].items()}, expected["units"])
    try:
        warm = [(one.signature, one.inputs) for one in stored_requests(Path(folder))]
    except ServingError as error:
        return [Check(WARMUP, (str(error),), RETRAIN)], {}
    budget = settings.p99_ms is not None
    plan = [*trials(stored, answers, warm), *timed(stored, _TIMED_REQUESTS[budget])]
    try:
        with fresh_process(folder) as process:
            if process.loaded.error:
                return [Check(LOADS, (process.loaded.error,), RETRAIN)], {}
            told = list(process.ask([(trial.signature, trial.inputs) for trial in plan]))
            memory_mb = process.peak_bytes() / 1e6
            measured = {"load_s": process.loaded.seconds, **_times(plan, told), "memory_mb": memory_mb}
    except Died as death:
        return [Check(LOADS, (str(death),), "load it with serving/loader under a debugger")], {}
    return [Check(LOADS), *_judged(plan, told), *_budgets(measured, settings)], measured


def _judged(plan: list[Trial], told: list[Answer]) -> Iterator[Check]:
    reasons: dict[str, list[str]] = {name: [] for name in (WARMUP, ANSWERS, FINITE, BATCHES, WRONG)}
    for trial, answer in zip(plan, told, strict=True):
        if trial.check != TIMED and (wrong := trial.judge(answer)):
            reasons[trial.check].append(wrong)
    for name, found in reasons.items():
        more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        yield Check(name, (*found[:_SHOWN], *more), _NEXT[name])


def _budgets(measured: Mapping[str, float], settings: Servability) -> Iterator[Check]:
    for name, measure, unit, bound, action in (
        (LATENCY, "p99_ms", "ms", settings.p99_ms, "fewer model.units, or a larger servability.p99_ms"),
        (MEMORY, "memory_mb", "MB", settings.memory_mb, "a smaller model, or a larger servability.memory_mb"),
    ):
        if bound is not None:
            over = measured[measure] > bound
            said = f"{measure} is {measured[measure]:.1f} {unit}, above the budget of {bound:g} {unit}"
            yield Check(name, (said,) if over else (), action)


def _times(plan: list[Trial], told: list[Answer]) -> dict[str, float]:
    times = [1000 * answer.seconds for trial, answer in zip(plan, told, strict=True) if trial.check == TIMED]
    p50, p99 = np.percentile(times, [50, 99])
    return {"requests": len(plan), "p50_ms": float(p50), "p99_ms": float(p99)}


def stored_by_signature(requests: Any, signatures: Mapping[str, Signature]) -> dict[str, Inputs]:
    """The inputs of each signature's stored request, as arrays of the types that it has."""
    found: dict[str, Inputs] = {}
    for one in requests:
        kinds = {
            name: numpy_kind(wanted.kind) for name, wanted in signatures[one["signature_name"]].inputs.items()
        }
        found[one["signature_name"]] = of_json(one["inputs"], kinds)
    return found


def _array(values: Any) -> Any:
    array = np.array(values)
    if array.dtype.kind != "U":
        return array
    # Of objects, for an array of texts drops what is NUL at the end of one.
    return np.vectorize(lambda text: text.encode(), otypes=[np.object_])(np.array(values, np.object_))
