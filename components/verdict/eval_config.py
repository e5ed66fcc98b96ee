"""The configuration's gate as an EvalConfig of TensorFlow Model Analysis."""

import json
from collections.abc import Iterable, Iterator

from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import config_pb2

from components.trainer.metrics.classification import ClassificationMetrics
from components.trainer.metrics.generation import GenerationMetrics
from components.trainer.metrics.regression import RegressionMetrics
from components.transform.preprocessing import STEP_TIME
from components.verdict.policy import stated_thresholds
from components.verdict.slices import TIME, sliced_by
from pipeline.config import Config, Threshold

_METRICS: dict[str, metric_types.Metric] = {
    "binary": ClassificationMetrics(binary=True),
    "multiclass": ClassificationMetrics(),
    "regression": RegressionMetrics(),
    "generation": GenerationMetrics(),
}


def eval_config(config: Config) -> config_pb2.EvalConfig:
    """Metrics, slices, thresholds and intervals for the evaluation split.

    The model is judged through `serving_default`, the signature it will be asked through; one that
    continues sequences through `evaluation`, which is told how they really went on, and has no label.
    Slices by label take their names from the raw label, those by sequence length and time from the
    graph's `transform_features`, whose buckets come from the training split.

    TFMA holds the thresholds against a metric's value, whatever its interval: what it refuses the
    verdict refuses as well, but not the other way round.
    """
    found = training_eval_config(config)
    found.options.compute_confidence_intervals.value = True
    found.options.confidence_intervals.method = config_pb2.ConfidenceIntervalOptions.POISSON_BOOTSTRAP
    _add_thresholds(found.metrics_specs[0], config, stated_thresholds(config))
    return found


def training_eval_config(config: Config) -> config_pb2.EvalConfig:
    """Metrics and slices alone: what the training split is measured by, to compare."""
    generates = config.task == "generation"
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                label_key="" if generates else config.label,
                signature_name="evaluation" if generates else "serving_default",
                preprocessing_function_names=["transform_features"],
            )
        ],
        slicing_specs=[_slice(config, name) for name in (None, *sliced_by(config))],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[config_pb2.MetricConfig(class_name="ExampleCount"), _metric(config.task)]
            )
        ],
    )


def names_of_slices(config: Config) -> dict[str, str]:
    """Feature that TFMA slices by to what the slice is called in the configuration."""
    return {config.label: "label", STEP_TIME: TIME}


def _metric(task: str) -> config_pb2.MetricConfig:
    metric = _METRICS[task]
    return config_pb2.MetricConfig(
        class_name=type(metric).__name__,
        module=type(metric).__module__,
        config=json.dumps(metric.get_config()),
    )


def _slice(config: Config, name: str | None) -> config_pb2.SlicingSpec:
    if name is None:
        return config_pb2.SlicingSpec()  # overall
    features = {called: feature for feature, called in names_of_slices(config).items()}
    return config_pb2.SlicingSpec(feature_keys=[features.get(name, name)])


def _add_thresholds(spec: config_pb2.MetricsSpec, config: Config, thresholds: Iterable[Threshold]) -> None:
    for threshold in thresholds:
        # A threshold without a slicing spec would hold in every slice, so overall is named as well.
        where = [_slice(config, threshold.slice)]
        for bound in _bounds(threshold):
            spec.per_slice_thresholds[threshold.metric].thresholds.add(slicing_specs=where, threshold=bound)


def _bounds(threshold: Threshold) -> Iterator[config_pb2.MetricThreshold]:
    """The lower and the upper bound one by one, so that TFMA says which of them was missed."""
    for side, value in (("lower_bound", threshold.min), ("upper_bound", threshold.max)):
        if value is not None:
            bound = config_pb2.MetricThreshold()
            getattr(bound.value_threshold, side).value = value
            yield bound
