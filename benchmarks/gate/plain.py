"""TFMA's own thresholds and its own recall: nothing of ours."""

import tempfile
from collections.abc import Iterable, Sequence

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from benchmarks.gate.tallied import Floats, Integers

_DRAW, _RECALL = "draw", "recall"

Extracts = dict[str, object]


def met(extracts: Iterable[Extracts], count: int, bound: float) -> list[bool]:
    """Whether TFMA validates each draw, in one run in which each draw is a slice of its own.

    Args:
      extracts: of all draws, see `one_by_one` and `weighted`.
      count: of draws, numbered from 0.
      bound: that recall has to meet in every slice.
    """
    settings = _eval_config(bound)
    extractors = [tfma.extractors.SliceKeyExtractor(eval_config=settings)]
    evaluators = [tfma.evaluators.MetricsPlotsAndValidationsEvaluator(settings)]
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(runner=FnApiRunner()) as pipeline:
            _ = (
                pipeline
                | beam.Create(list(extracts))
                | tfma.ExtractAndEvaluate(extractors=extractors, evaluators=evaluators)
                | tfma.WriteResults(writers=tfma.default_writers(folder, eval_config=settings))
            )
        result = tfma.load_validation_result(folder)
        slices = tfma.load_eval_result(folder).slicing_metrics
    if len(slices) != count:
        raise SystemExit(f"TFMA was given {count:,} draws and measured {len(slices):,}")
    refused = {
        int(one.slice_key.single_slice_keys[0].bytes_value) for one in result.metric_validations_per_slice
    }
    return [draw not in refused for draw in range(count)]


def one_by_one(draw: int, labels: Integers, log_odds: Floats) -> list[Extracts]:
    """Every example of a draw."""
    return [
        _extracts(draw, label, positive, 1.0)
        for label, positive in zip(labels, 1 / (1 + np.exp(-log_odds)), strict=True)
    ]


def weighted(draw: int, labels: Integers, log_odds: Floats) -> list[Extracts]:
    """The four cells of a draw's confusion matrix, each as one example with its count for a weight.

    TFMA counts about 1,700 examples a second, and the draws have millions.
    """
    found = log_odds > 0
    cells = ((label, answer) for label in (0, 1) for answer in (False, True))
    counts = [(label, answer, ((labels == label) & (found == answer)).sum()) for label, answer in cells]
    return [_extracts(draw, label, 0.9 if answer else 0.1, count) for label, answer, count in counts]


def _extracts(draw: int, label: int, positive: float, weight: float) -> Extracts:
    """What the extractors before would have found out of an example."""
    return {
        "labels": np.array([float(label)]),
        "predictions": np.array([positive]),
        "features": {_DRAW: np.array([str(draw).encode()])},
        "example_weights": np.array([float(weight)]),
    }


def _eval_config(bound: float) -> tfma.EvalConfig:
    specs: Sequence[tfma.SlicingSpec] = [tfma.SlicingSpec(feature_keys=[_DRAW])]
    threshold = tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(lower_bound={"value": bound}))
    metric = tfma.MetricConfig(
        class_name="Recall",
        config=f'{{"name": "{_RECALL}"}}',
        per_slice_thresholds=[tfma.PerSliceMetricThreshold(slicing_specs=specs, threshold=threshold)],
    )
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(label_key="label", example_weight_key="weight")],
        slicing_specs=specs,
        metrics_specs=[tfma.MetricsSpec(metrics=[metric])],
    )
