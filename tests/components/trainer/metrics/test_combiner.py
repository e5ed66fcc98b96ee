"""How TFMA makes the metrics and combines them."""

import json
import math
import pickle

import numpy as np
import pytest
from tensorflow_model_analysis.metrics import metric_types

from components.trainer.metrics.classification import CONFUSION_MATRIX, ClassificationMetrics
from components.trainer.metrics.generation import GenerationMetrics
from components.trainer.metrics.regression import RegressionMetrics


def combined(metric: metric_types.Metric, examples: list[tuple], parts: int) -> dict:
    """The metric over (label, answer), taken in by `parts` combiners as workers do."""
    (computation,) = metric.computations(model_names=[""])
    combiner = pickle.loads(pickle.dumps(computation.combiner))
    accumulators = []
    for part in np.array_split(np.arange(len(examples)), parts):
        accumulator = combiner.create_accumulator()
        for place in part:
            label, answer = examples[place]
            inputs = metric_types.StandardMetricInputs(labels=label, predictions=answer)
            accumulator = combiner.add_input(accumulator, inputs)
        accumulators.append(pickle.loads(pickle.dumps(combiner.compact(accumulator))))
    return combiner.extract_output(combiner.merge_accumulators(accumulators))


def classified(count: int) -> list[tuple]:
    random = np.random.default_rng(3)
    positive, classes = random.random(count), np.array([b"no", b"yes"])
    labels = np.where(random.random(count) < positive, b"yes", b"no")
    return [
        (np.array([label]), {"probabilities": np.array([1 - p, p], np.float32), "classes": classes})
        for label, p in zip(labels, positive, strict=True)
    ]


@pytest.mark.parametrize("parts", [1, 3])
def test_the_combiner_counts_every_example_once(parts):
    examples = classified(2500)
    found = {key.name: value for key, value in combined(ClassificationMetrics(), examples, parts).items()}
    hits = [(answer["probabilities"].argmax() == 1) == (label[0] == b"yes") for label, answer in examples]
    assert found["accuracy"] == pytest.approx(np.mean(hits))
    assert found[CONFUSION_MATRIX][1:, 1:].astype(int).sum() == 2500


def test_keys_are_those_that_bounds_are_looked_up_by():
    found = combined(RegressionMetrics(), [(np.array([1.0]), {"prediction": np.array([1.5])})], 1)
    assert {key.example_weighted for key in found} == {None}
    assert metric_types.MetricKey(name="mae", example_weighted=None) in found


def test_without_examples_there_are_no_metrics():
    for metric in (ClassificationMetrics(), RegressionMetrics(), GenerationMetrics()):
        assert combined(metric, [], 1) == {}


def test_a_number_that_is_not_finite_can_meet_no_bound():
    found = combined(RegressionMetrics(), [(np.array([1.0]), {"prediction": np.array([-np.inf])})], 1)
    assert all(math.isnan(value) for value in found.values())


def test_what_is_binary_survives_the_json_of_the_eval_config():
    again = ClassificationMetrics.from_config(
        json.loads(json.dumps(ClassificationMetrics(True).get_config()))
    )
    assert "recall" in {key.name for key in combined(again, classified(20), 1)}


def test_models_are_told_apart_by_name():
    (one, other) = RegressionMetrics().computations(model_names=["a", "b"])
    inputs = metric_types.StandardMetricInputs(
        labels=np.array([1.0]),
        predictions={"a": {"prediction": np.array([1.0])}, "b": {"prediction": np.array([3.0])}},
    )
    for computation, expected in ((one, 0), (other, 2)):
        combiner = computation.combiner
        found = combiner.extract_output(combiner.add_input(combiner.create_accumulator(), inputs))
        assert {key.name: value for key, value in found.items()}["mae"] == expected
