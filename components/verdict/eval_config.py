"""The configuration's gate as an EvalConfig of TensorFlow Model Analysis."""

from collections.abc import Iterator

from tensorflow_model_analysis.proto import config_pb2

from components.trainer.metrics import ClassificationMetrics
from pipeline.config import Config, Threshold


def eval_config(config: Config) -> config_pb2.EvalConfig:
    """Metrics, slices and thresholds for the Evaluator.

    The model is judged through `serving_default`, the signature it will be asked through. Slices by
    label and by sequence length take their names from the raw label and from the graph's
    `transform_features`, whose buckets come from the training split.
    """
    spec = config_pb2.MetricsSpec(
        metrics=[
            config_pb2.MetricConfig(class_name="ExampleCount"),
            config_pb2.MetricConfig(
                class_name=ClassificationMetrics.__name__, module=ClassificationMetrics.__module__
            ),
        ]
    )
    for threshold in config.gate.thresholds:
        # A threshold without a slicing spec would hold in every slice, so overall is named as well.
        where = [_slice(config, threshold.slice)]
        for bound in _bounds(threshold):
            spec.per_slice_thresholds[threshold.metric].thresholds.add(slicing_specs=where, threshold=bound)
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                label_key=config.label,
                signature_name="serving_default",
                preprocessing_function_names=["transform_features"],
            )
        ],
        slicing_specs=[_slice(config, name) for name in (None, *config.gate.slices)],
        metrics_specs=[spec],
    )


def _slice(config: Config, name: str | None) -> config_pb2.SlicingSpec:
    if name is None:
        return config_pb2.SlicingSpec()  # overall
    return config_pb2.SlicingSpec(feature_keys=[config.label if name == "label" else name])


def _bounds(threshold: Threshold) -> Iterator[config_pb2.MetricThreshold]:
    """The lower and the upper bound one by one, so that TFMA says which of them was missed."""
    for side, value in (("lower_bound", threshold.min), ("upper_bound", threshold.max)):
        if value is not None:
            bound = config_pb2.MetricThreshold()
            getattr(bound.value_threshold, side).value = value
            yield bound
