"""The EvalConfig, judged by TFMA itself: a bound holds where it is meant to, and nowhere else."""

import json

import apache_beam as beam
import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from sklearn import metrics as sk
from tensorflow_model_analysis.proto import config_pb2

from components.verdict.decisions import decide
from components.verdict.eval_config import eval_config
from components.verdict.evaluation import read_evaluation, read_failures
from pipeline.config import Config, Threshold

CLASSES = ["a", "b", "c"]


def configured(*thresholds: Threshold) -> Config:
    gate = {"thresholds": [threshold.model_dump() for threshold in thresholds], "slices": ["label"]}
    raw = {
        "name": "n",
        "task": "multiclass",
        "data": {"source": "x.csv", "sequence_id": "i", "label": "kind"},
        "gate": gate,
    }
    return Config.model_validate_json(json.dumps(raw))


def evaluated(folder: str, config: Config, truth: np.ndarray, probabilities: np.ndarray):
    """Runs TFMA over predictions instead of a model; everything else is as in the Evaluator."""
    settings = config_pb2.EvalConfig()
    settings.CopyFrom(eval_config(config))
    del settings.model_specs[:]
    settings.model_specs.add(label_key="kind")
    extracts = [
        {
            "labels": np.array([label.encode()]),
            "predictions": {"probabilities": row, "classes": np.array([c.encode() for c in CLASSES])},
            "features": {"kind": np.array([label.encode()])},
            "example_weights": np.array([1.0]),
        }
        for label, row in zip(truth, probabilities, strict=True)
    ]
    extractors = [tfma.extractors.SliceKeyExtractor(eval_config=settings)]
    evaluators = [tfma.evaluators.MetricsPlotsAndValidationsEvaluator(settings)]
    writers = tfma.default_writers(folder, eval_config=settings)
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create(extracts)
            | tfma.ExtractAndEvaluate(extractors=extractors, evaluators=evaluators)
            | tfma.WriteResults(writers=writers)
        )
    return read_evaluation(folder, "kind"), *read_failures(folder, "kind")


@pytest.fixture(scope="module")
def scored() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(11)
    truth = random.integers(3, size=150)
    scores = random.normal(size=(150, 3)) + np.array([2.5, 1.2, 0.4])[truth][:, None] * np.eye(3)[truth]
    return np.array(CLASSES)[truth], np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def test_tfma_and_scikit_learn_agree_on_every_slice_and_bound(scored, tmp_path):
    truth, probabilities = scored
    predicted = np.array(CLASSES)[probabilities.argmax(axis=1)]
    recall = {c: sk.recall_score(truth, predicted, labels=[c], average="macro") for c in CLASSES}
    between = (sorted(recall.values())[0] + sorted(recall.values())[1]) / 2
    thresholds = [
        Threshold(metric="recall_macro", min=between, slice="label"),
        Threshold(metric="recall[b]", min=recall["b"] - 1e-6),
        Threshold(metric="recall[b]", max=recall["b"] - 1e-6),
        Threshold(metric="auc_macro", min=0.5),  # undefined within a label, where it is not asked for
        Threshold(metric="accuracy", max=1.0),
    ]
    config = configured(*thresholds)
    slices, blessed, missed = evaluated(str(tmp_path / "out"), config, truth, probabilities)
    assert [(dict(one.slice), one.examples) for one in slices] == [
        ({}, 150),
        *(({"label": c}, int((truth == c).sum())) for c in CLASSES),
    ]
    assert slices[0].metrics["accuracy"] == pytest.approx(sk.accuracy_score(truth, predicted), abs=1e-6)
    assert slices[0].metrics["auc_macro"] == pytest.approx(
        sk.roc_auc_score(truth, probabilities, multi_class="ovr"), abs=1e-3
    )
    for one in slices[1:]:
        assert one.metrics["recall_macro"] == pytest.approx(recall[one.slice["label"]], abs=1e-6)
        assert one.metrics["auc_macro"] is None
    worst = min(recall, key=recall.get)
    assert not blessed
    assert missed == {
        ((("label", worst),), "recall_macro", "min", between),
        ((), "recall[b]", "max", recall["b"] - 1e-6),
    }
    decisions = decide(config.gate.thresholds, slices, missed)
    assert [decision.passed for decision in decisions] == [False, False, True, True, True, True, True]


def test_met_bounds_bless(scored, tmp_path):
    config = configured(Threshold(metric="accuracy", min=0.1), Threshold(metric="log_loss", max=5))
    _, blessed, missed = evaluated(str(tmp_path / "out"), config, *scored)
    assert (blessed, missed) == (True, set())
