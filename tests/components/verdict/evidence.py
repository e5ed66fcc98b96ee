"""Builders: what a model answered, as the gates see it."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from components.trainer.metrics import curves
from components.trainer.metrics.classification import CONFUSION_MATRIX, Classification
from components.verdict.evaluation import Confusion, Counts, Evaluated, Evidence, SliceMetrics
from components.verdict.shown import Shown
from pipeline.config import Config


def configured(task: str = "binary", **gate: Any) -> Config:
    data: dict[str, Any] = {"source": "x.csv", "sequence_id": "i"}
    if task != "generation":
        data["label"] = "kind"
    return Config.model_validate_json(json.dumps({"name": "n", "task": task, "data": data, "gate": gate}))


def slice_of(
    truth: Sequence[str],
    probabilities: Any,
    classes: Sequence[str],
    where: dict[str, str] | None = None,
    *,
    binary: bool = False,
) -> SliceMetrics:
    """A slice by the tally that TFMA itself uses: true classes [n] and probabilities [n, K]."""
    tally = Classification(binary=binary)
    names = [name.encode() for name in classes]
    answers = [{"probabilities": row, "classes": names} for row in np.asarray(probabilities, np.float64)]
    tally.add([label.encode() for label in truth], answers)
    metrics = tally.metrics()
    table = np.asarray(metrics.pop(CONFUSION_MATRIX))
    rows = {str(row[0]): [int(cell) for cell in row[1:]] for row in table[1:]}
    shown = Shown(curves.read(metrics.pop(curves.CURVES))) if curves.CURVES in metrics else None
    numbers = {name: float(value) for name, value in metrics.items()}
    confusion = Confusion([str(name) for name in table[0, 1:]], rows)
    return SliceMetrics(
        slice=where or {},
        examples=len(truth),
        metrics={name: value if np.isfinite(value) else None for name, value in numbers.items()},
        confusion=confusion,
        counts=Counts.of(confusion),
        shown=None if where else shown,
    )


def of_counts(
    hits: int, missed: int, false: int, rest: int, where: dict[str, str] | None = None
) -> SliceMetrics:
    """A binary slice: true positives, false negatives, false positives and true negatives."""
    truth = np.repeat(["yes", "yes", "no", "no"], [hits, missed, false, rest])
    said = np.repeat([0.9, 0.1, 0.8, 0.2], [hits, missed, false, rest])
    return slice_of(list(truth), np.stack([1 - said, said], axis=1), ["no", "yes"], where, binary=True)


def evidence(*slices: SliceMetrics, **more: Any) -> Evidence:
    """Evidence of a first run; of a later one `baseline` and `differences` say more."""
    found = Evaluated(list(slices), more.pop("baseline", []), more.pop("differences", {}))
    if not found.baseline and "no_baseline" not in more:
        more |= {"no_baseline": "there is no blessed model yet", "first": True}
    return Evidence(eval=found, **more)
