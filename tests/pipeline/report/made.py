"""Runs made up for the tests of the report: the JSON files that a run leaves, small and of every kind."""

import json
from pathlib import Path

import numpy as np

from pipeline.config import Config

TASKS = ("binary", "multiclass", "regression", "generation")
_METRICS = {
    "binary": ("accuracy", "precision", "recall", "f1", "auc", "pr_auc", "log_loss", "calibration_error"),
    "multiclass": ("accuracy", "precision_macro", "recall_macro", "f1_macro", "auc_macro", "log_loss"),
    "regression": ("mse", "rmse", "mae", "r2", "bias"),
    "generation": ("log_loss", "perplexity", "bits_per_token", "accuracy", "bleu"),
}
_STATUS = {
    "pushed": 0,
    "checked": 0,
    "data_refused": 3,
    "model_refused": 4,
    "not_servable": 5,
    "failed": 1,
    "running": None,
}


def make(
    folder: Path,
    task: str = "binary",
    status: str = "pushed",
    *,
    slices: int = 3,
    features: list[str] | None = None,
    classes: list[str] | None = None,
    label: str = "label",
    ids: list[str] | None = None,
    seed: int = 0,
) -> Path:
    """Writes the files of a run that came as far as its status says."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    features = features or ["amount", "site"]
    classes = classes or {"binary": ["no", "yes"], "multiclass": ["a", "b", "c"]}.get(task, [])
    ids = ids or ["s17", "s18"]
    files = {"run.json": _run(folder, task, status, label, draw)}
    if status not in ("failed", "running"):
        files["validation.json"] = _validation(status, features, ids)
        files["statistics.json"] = _statistics(features, classes, draw)
    if status in ("pushed", "model_refused", "not_servable"):
        found = _evaluation(task, classes, slices, draw)
        files["evaluation.json"] = found
        files["verdict.json"] = _verdict(found, refused=status == "model_refused")
        files["run.json"]["training"] = _training(task, classes, draw)
    if status in ("pushed", "not_servable"):
        files["servability.json"] = _servability(servable=status == "pushed")
    if status == "pushed":
        files["run.json"]["pushed"] = {
            "version": "1795879865",
            "path": f"serving/{folder.name}",
            "sha256": "5f" * 32,
            "already_served": False,
        }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, allow_nan=False), "utf-8")
    return folder


def _run(folder, task, status, label, draw):
    config = {"name": "made", "task": task, "data": {"source": "made.csv", "label": label, "max_length": 40}}
    if task == "generation":
        config["data"].pop("label")
    stages = [("Ingest", "done"), ("StatisticsGen", "done"), ("Auditor", "done"), ("DataGate", "failed")]
    return {
        "run_id": folder.name,
        "name": "made",
        "status": status,
        "exit_code": _STATUS[status],
        "started": "2026-11-28T15:30:29Z",
        "finished": "2026-11-28T15:31:05Z",
        "error": None if _STATUS[status] == 0 else "MemoryError: it was too much",
        "process": None,
        "metadata_run": f"{folder.name}.abc",
        "stages": [
            {"name": name, "status": how, "seconds": round(float(draw.uniform(0.1, 9)), 3), "cached": False}
            for name, how in stages
        ],
        "versions": {"sluice": "0.1.0", "python": "3.10.13"},
        "source_fingerprint": "ab" * 32,
        "artifacts": {"Ingest": {"examples": {"uri": "runs/made/Ingest/1", "id": 1, "type": "Examples"}}},
        "pushed": None,
        "training": None,
        "config": json.loads(Config.model_validate(config).model_dump_json(by_alias=True)),
    }


def _validation(status, features, ids):
    findings = [_finding("near-duplicate", "warning", "", ids, 7)]
    if status == "data_refused":
        findings += [
            _finding("sequence-in-both-splits", "error", "", ids, 3),
            _finding("label-as-feature", "error", features[0], ids, 1),
        ]
    return {
        "verdict": "fail" if status == "data_refused" else "pass",
        "checks_run": ["near-duplicate", "sequence-in-both-splits", "label-as-feature"],
        "checks_not_run": {"window-overlap": "no windows are cut"},
        "findings": findings,
        "splits": {
            "train": {
                "sequences": 800,
                "steps": 8123,
                "first_time": "2026-01-01",
                "last_time": "2026-06-01T12:00",
            },
            "eval": {"sequences": 200, "steps": 2345, "first_time": "2026-06-02", "last_time": "2026-08-01"},
        },
        "split": {
            "rule": "time",
            "cutoff": "2026-06-02",
            "gap": 60,
            "unit": "sequences",
            "left_out": {"in the gap": 12},
        },
        "rows": {"read": 10480, "skipped": 0, "examples": []},
        "features": {"kinds": dict.fromkeys(features, "float"), "inferred": False},
        "time": "timestamp[us]",
    }


def _finding(check, severity, feature, ids, count):
    return {
        "check": check,
        "severity": severity,
        "split": "train",
        "feature": feature,
        "message": f"{check} was found {count} times{f' in {feature}' if feature else ''}",
        "count": count,
        "examples": ids,
        "fix": "leave these out",
    }


def _statistics(features, classes, draw):
    def split(sequences):
        counts = draw.multinomial(sequences, [1 / len(classes)] * len(classes)) if classes else []
        return {
            "sequences": sequences,
            "lengths": _numbers(sequences, draw, low=2, high=60),
            "times": None,
            "labels": _classes(classes, counts) if classes else _numbers(sequences, draw, low=-3, high=9),
            "features": {
                name: _texts(sequences, draw)
                if number % 3 == 1
                else _numbers(sequences, draw, low=-5, high=5)
                for number, name in enumerate(features)
            },
        }

    return {"time": "timestamp", "splits": {"train": split(800), "eval": split(200)}}


def _classes(classes, counts):
    found = [[name, int(count)] for name, count in zip(classes, counts, strict=True)]
    return {"classes": found, "others": 0}


def _numbers(sequences, draw, *, low, high):
    values = draw.normal((low + high) / 2, (high - low) / 6, sequences).clip(low, high)
    counts, edges = np.histogram(values, 10)
    return {
        "kind": "number",
        "present": sequences - 3,
        "missing": 3,
        "values": sequences * 10,
        "least_values": 2,
        "most_values": 60,
        "mean_values": 10.25,
        "mean": float(values.mean()),
        "std_dev": float(values.std()),
        "min": float(values.min()),
        "median": float(np.median(values)),
        "max": float(values.max()),
        "zeros": 2,
        "histogram": [
            [float(a), float(b), int(n)] for a, b, n in zip(edges, edges[1:], counts, strict=False)
        ],
    }


def _texts(sequences, draw):
    first = int(draw.integers(1, sequences))
    return {
        "kind": "category",
        "present": sequences,
        "missing": 0,
        "values": sequences,
        "least_values": 1,
        "most_values": 1,
        "mean_values": 1.0,
        "unique": 2,
        "top": [["north", first], ["south", sequences - first]],
    }


def _metric(draw):
    lower, value, upper = sorted(float(one) for one in draw.uniform(0.5, 1, 3))
    return {"value": value, "lower": lower, "upper": upper}


def _evaluation(task, classes, slices, draw):
    names = [*_METRICS[task]]
    names += [f"{of}[{name}]" for name in classes for of in ("precision", "recall", "f1", "auc", "pr_auc")]

    def measured(where, examples):
        one = {"slice": where, "examples": examples, "metrics": {name: _metric(draw) for name in names}}
        if classes:
            rows = {name: [int(count) for count in draw.integers(1, 50, len(classes))] for name in classes}
            one["confusion_matrix"] = {"classes": classes, "rows": rows}
        return one

    wheres = [
        {},
        *({"site": f"site {number}"} for number in range(slices)),
        *({"label": name} for name in classes),
    ]
    found = {
        "confidence": 0.95,
        "slices": [measured(where, 200 - number % 100) for number, where in enumerate(wheres)],
        "train": [measured({}, 800)],
        "baseline": [measured({}, 200)] if task == "binary" else [],
        "trivial": {"linear": {name: float(draw.uniform()) for name in names}},
    }
    if classes:
        shown = classes[1:] if task == "binary" else classes
        found["curves"] = {name: _curve(draw) for name in shown}
    if task == "regression":
        truth = draw.normal(0, 2, 300)
        points = np.stack([truth, truth + draw.normal(0, 0.5, 300)], axis=1)
        found["predictions"] = {"sequences": 5000, "points": points.round(4).tolist()}
    if task == "generation":
        found["continuations"] = [
            {"prompt": "to be or", "continuation": " not to see", "reference": " not to be"}
        ]
    return found


def _curve(draw):
    false, true = (np.sort(draw.integers(0, 100, 30)) for _ in range(2))
    points = [
        [float(p), int(f), int(t)] for p, f, t in zip(np.linspace(0.99, 0.01, 30), false, true, strict=True)
    ]
    bins = [
        {
            "from": low / 10,
            "to": low / 10 + 0.1,
            "sequences": 20,
            "positives": 2 * low,
            "mean_probability": low / 10 + 0.05,
        }
        for low in range(10)
    ]
    return {
        "negatives": 100,
        "positives": 100,
        "points": [[None, 0, 0], *points, [0.0, 100, 100]],
        "calibration": bins,
    }


def _verdict(found, *, refused):
    decisions = []
    for number, one in enumerate(found["slices"]):
        metric = next(iter(one["metrics"]))
        measured = one["metrics"][metric]
        passed = not (refused and number in (0, 2))
        bound = measured["lower"] - 0.01 * (number + 1) if passed else measured["lower"] + 0.05 * (number + 1)
        where = ", ".join(f"{name}={value}" for name, value in one["slice"].items()) or "overall"
        decisions.append(
            {
                "gate": "value",
                "metric": metric,
                "slice": one["slice"],
                "examples": one["examples"],
                **measured,
                "bound": bound,
                "baseline": None,
                "distance": None if passed else bound - measured["lower"],
                "passed": passed,
                "reason": f"{metric} on {where} is held against {bound:.4f}",
                "next_action": "" if passed else "train a better model",
                "forced": False,
            }
        )
    return {"blessed": not refused, "forced": None, "forced_by": None, "warnings": [], "decisions": decisions}


def _servability(*, servable):
    return {
        "servable": servable,
        "tf_serving": "2.16",
        "checks": [
            {"passed": True, "name": "files", "reasons": [], "next_action": ""},
            {
                "passed": servable,
                "name": "finite",
                "reasons": [] if servable else ["answers are not finite"],
                "next_action": "look at the weights",
            },
        ],
        "measured": {
            "load_s": 0.576,
            "requests": 152,
            "p50_ms": 0.814,
            "p99_ms": 0.917,
            "memory_mb": 496.148,
        },
    }


def _training(task, classes, draw):
    names = ["loss"] if task == "regression" else ["loss", "accuracy"]
    epochs = [
        {
            **{f"{part}{name}": float(draw.uniform()) for name in names for part in ("", "val_")},
            "learning_rate": 0.005,
            "seconds": 1.25,
        }
        for _ in range(4)
    ]
    return {
        "parameters": 1155,
        "classes": classes,
        "epochs": epochs,
        "sequences": {"fitted": 720, "held_out": 80},
        "steps": 7200,
    }
