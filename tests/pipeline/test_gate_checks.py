"""Bounds that a task can be held to, and those it cannot."""

import json
from pathlib import Path

import pytest

from components.trainer.metrics.generation import OF_TOKENS, OF_VALUES
from components.verdict.policy import LOWER_IS_BETTER, NEITHER_IS_BETTER, accuracy_alone
from components.verdict.slices import sliced_by
from pipeline.config import Config
from pipeline.config_checks import contradictions
from pipeline.config_file import load
from pipeline.gate_checks import metric_names, unknown_slices


def problems(task: str, **gate) -> list[str]:
    label = {} if task == "generation" else {"label": "kind"}
    raw = {"name": "n", "task": task, "data": {"source": "x.csv", "sequence_id": "i", **label}, "gate": gate}
    return contradictions(Config.model_validate_json(json.dumps(raw)))


def held_to(task: str, *metrics: str, **more) -> list[str]:
    sides = [(metric, "max" if metric in LOWER_IS_BETTER else "min") for metric in metrics]
    share = {"perplexity": 5, "bleu": 50}
    return problems(
        task, thresholds=[{"metric": name, side: share.get(name, 0.5), **more} for name, side in sides]
    )


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


@pytest.mark.parametrize(
    ("task", "threshold", "problem"),
    [
        ("binary", {"metric": "recall"}, "recall: expected min or max"),
        (
            "binary",
            {"metric": "recall", "max": 0.8},
            "recall: the higher the better, and max 0.8 refuses good",
        ),
        ("regression", {"metric": "rmse", "min": 4}, "rmse: the lower the better, and min 4 refuses good"),
        ("generation", {"metric": "bleu", "max": 30}, "bleu: the higher the better"),
        (
            "binary",
            {"metric": "recall", "min": 80},
            "recall: it is 1 at most, and min is 80; did you mean 0.8?",
        ),
        ("binary", {"metric": "f1[a]", "min": 1}, "f1[a]: no model can meet min 1 with the pessimistic end"),
        ("multiclass", {"metric": "log_loss", "max": 0}, "log_loss: no model can meet max 0"),
        ("generation", {"metric": "perplexity", "max": 0.5}, "perplexity: no model can meet max 0.5"),
        ("generation", {"metric": "bleu", "min": 0.3}, "bleu: it goes from 0 to 100; did you mean min 30?"),
        ("generation", {"metric": "bleu", "min": 100}, "bleu: no model can meet min 100"),
        ("binary", {"metric": "accuracy", "min": 0}, "accuracy: every model meets min 0"),
        ("binary", {"metric": "calibration_error", "max": 5}, "calibration_error: it is 1 at most, so every"),
        (
            "multiclass",
            {"metric": "precision_macro", "min": 0.5, "slice": "label"},
            "precision_macro: a slice by",
        ),
        ("multiclass", {"metric": "recall[a]", "min": 0.5, "slice": "label"}, "recall[a]: a slice by label"),
        ("binary", {"metric": "auc", "min": 0.5, "slice": "label"}, "auc: a slice by label holds one class"),
        (
            "regression",
            {"metric": "r2", "min": 1.5},
            "r2: it is 1 at most, and min is 1.5; did you mean 0.015?",
        ),
        ("generation", {"metric": "bleu", "min": 120}, "bleu: it is 100 at most, and min is 120"),
    ],
)
def test_a_bound_that_cannot_be_meant_is_refused_before_any_training(task, threshold, problem):
    (found,) = problems(task, thresholds=[threshold])
    assert found.startswith(f"gate.thresholds, {problem}")


@pytest.mark.parametrize(
    ("task", "threshold"),
    [
        ("regression", {"metric": "bias", "min": -1, "max": 1}),
        ("regression", {"metric": "r2", "min": -0.5}),
        ("regression", {"metric": "rmse", "max": 14.5}),
        ("binary", {"metric": "calibration_error", "max": 0.05}),
        ("generation", {"metric": "bleu", "min": 30}),
        ("generation", {"metric": "perplexity", "max": 5}),
    ],
)
def test_a_bound_that_can_be_meant_is_taken(task, threshold):
    assert problems(task, thresholds=[threshold]) == []


def test_every_metric_has_a_better_side():
    known = {
        name for task in ("binary", "multiclass", "regression", "generation") for name in metric_names(task)
    }
    assert set(LOWER_IS_BETTER) | set(NEITHER_IS_BETTER) < known
    # All that counts errors is named; what is left over counts hits.
    assert all("loss" not in name and "error" not in name for name in known - set(LOWER_IS_BETTER))


@pytest.mark.parametrize("key", ["max_drop", "max_overfit_gap"])
def test_a_change_of_more_than_all_is_refused(key):
    assert problems("binary", **{key: 1.01}) == [
        f"gate.{key}: 1.01 is more than 100 %; expected a share, such as 0.01 for one hundredth"
    ]
    assert problems("binary", **{key: 0.01}) == []
    assert problems("binary", **{key: None}) == []


def test_the_default_policy_holds_alone_or_beside_bounds():
    assert problems("binary") == []
    assert problems("binary", thresholds=["default", {"metric": "accuracy", "min": 0.9}]) == []
    for thresholds in ({}, {"thresholds": ["default"]}):
        (found,) = problems("generation", beat_trivial_by=None, **thresholds)
        assert "nothing judges the model" in found
    bound = {"metric": "recall", "min": 0.5}
    assert problems("binary", thresholds=[bound, bound]) == [
        'gate.thresholds: {"metric":"recall","min":0.5} is given twice'
    ]


def test_a_value_taken_for_certain_may_have_to_be_perfect():
    assert problems("binary", confidence=None, thresholds=[{"metric": "recall", "min": 1}]) == []


def test_the_default_policy_of_many_classes_brings_its_slices():
    config = Config.model_validate_json(
        json.dumps({
            "name": "n", "task": "multiclass", "data": {"source": "x.csv", "label": "kind"},
            "gate": {"slices": ["sequence_length"]},
        })
    )  # fmt: skip
    assert sliced_by(config) == ("sequence_length", "label")


@pytest.mark.parametrize(
    ("thresholds", "alone"),
    [
        ([{"metric": "accuracy", "min": 0.9}], True),
        ([{"metric": "recall_micro", "min": 0.9}], True),
        ([{"metric": "accuracy", "min": 0.9}, {"metric": "accuracy", "min": 0.8, "slice": "label"}], True),
        ([{"metric": "accuracy", "min": 0.9}, {"metric": "recall", "min": 0.5}], False),
        (["default", {"metric": "accuracy", "min": 0.9}], False),
        (None, False),
    ],
)
def test_accuracy_alone_is_noticed(thresholds, alone):
    raw = {"name": "n", "task": "binary", "data": {"source": "x.csv", "label": "kind"}}
    raw["gate"] = {} if thresholds is None else {"thresholds": thresholds}
    assert accuracy_alone(Config.model_validate_json(json.dumps(raw))) == alone


def sliced(slices: list[str] | None, columns: list[str]) -> Config:
    raw = {"name": "n", "task": "binary", "data": {"source": "x.csv", "label": "kind", "slices": columns}}
    raw["gate"] = {} if slices is None else {"slices": slices}
    return Config.model_validate_json(json.dumps(raw))


def test_slices_that_the_data_has_no_column_for_are_told_with_the_nearest():
    kinds, columns = (
        {"amount": "float", "country": "category", "hour": "integer"},
        frozenset({"site", "kind"}),
    )
    assert unknown_slices(sliced(["country", "hour"], ["site"]), kinds, columns) == []
    assert unknown_slices(sliced(["contry"], ["sit"]), kinds, columns) == [
        "gate.slices: no feature is called contry (did you mean country?)",
        "data.slices: no column is called sit (did you mean site?)",
    ]
    assert unknown_slices(sliced(["amount"], []), kinds, columns) == [
        "gate.slices: amount is a float, which nearly every step has another of"
    ]
    assert unknown_slices(sliced(None, []), {}, frozenset()) == []


def test_time_can_be_sliced_by_where_there_is_time():
    assert problems("binary", slices=["time"]) == [
        "gate.slices: time needs data.time, the column that orders the steps"
    ]


def test_every_example_configuration_has_a_sound_gate():
    folder = Path(__file__).resolve().parents[2] / "pipeline" / "configs"
    for path in folder.glob("*.yaml"):
        assert load(path, local_files=False).gate
