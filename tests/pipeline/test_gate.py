"""Bounds that a task can be held to, and those it cannot."""

import json

import pytest

from components.trainer.metrics.generation import OF_TOKENS, OF_VALUES
from pipeline.config import Config
from pipeline.config_checks import contradictions, metric_names


def problems(task: str, **gate) -> list[str]:
    label = {} if task == "generation" else {"label": "kind"}
    raw = {"name": "n", "task": task, "data": {"source": "x.csv", "sequence_id": "i", **label}, "gate": gate}
    return contradictions(Config.model_validate_json(json.dumps(raw)))


def held_to(task: str, *metrics: str, **more) -> list[str]:
    return problems(task, thresholds=[{"metric": metric, "min": 0.5, **more} for metric in metrics])


@pytest.mark.parametrize(
    ("task", "metrics"),
    [
        (
            "binary",
            ["recall", "precision", "f1", "auc", "pr_auc", "recall[spam]", "pr_auc[spam]", "recall_macro"],
        ),
        (
            "multiclass",
            ["recall_macro", "f1_micro", "pr_auc_macro", "f1[a b]", "top_3_error", "balanced_accuracy"],
        ),
        ("regression", ["mse", "rmse", "mae", "r2", "bias"]),
        ("generation", [*OF_TOKENS, *OF_VALUES]),
    ],
)
def test_what_a_task_measures_can_be_bounded(task, metrics):
    assert held_to(task, *metrics) == []


@pytest.mark.parametrize(
    ("task", "metric", "hint"),
    [
        ("multiclass", "recall", "(did you mean recall_macro or recall[class]?)"),
        ("multiclass", "pr_auc_macr", "(did you mean pr_auc_macro?)"),
        ("binary", "recal", "(did you mean recall?)"),
        ("binary", "top_3_error", ""),
        ("regression", "accuracy", "(known here: mse, rmse, mae, r2, bias)"),
        ("regression", "recall[a]", ""),
        ("generation", "perplexty", "(did you mean perplexity?)"),
        ("multiclass", "confusion_matrix", ""),
        ("binary", "recall[]", ""),
    ],
)
def test_what_a_task_does_not_measure_is_refused_with_a_hint(task, metric, hint):
    (problem,) = held_to(task, metric)
    assert problem.startswith(f"gate.thresholds, {metric}: no such metric for {task} (")
    assert hint in problem


@pytest.mark.parametrize("task", ["regression", "generation"])
def test_only_classes_can_be_sliced_by(task):
    assert problems(task, slices=["label"]) == [
        f"gate.slices: label needs classes, which {task} has not; leave it out"
    ]
    assert held_to(task, "mae", slice="label") == [
        f"gate.thresholds, mae: the slice label needs classes, which {task} has not"
    ]
    assert held_to(task, "mae", slice="sequence_length") == []


def test_no_metric_is_named_twice():
    for task in ("binary", "multiclass", "regression", "generation"):
        assert len(set(metric_names(task))) == len(metric_names(task))
