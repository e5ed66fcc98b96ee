"""The EvalConfig, judged by TFMA itself: every metric arrives, and a bound holds where it is meant to."""

import json

import apache_beam as beam
import numpy as np
import pytest
import sacrebleu
import tensorflow_model_analysis as tfma
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from sklearn import metrics as sk
from tensorflow_model_analysis.proto import config_pb2

from components.verdict.bounds import value_bounds
from components.verdict.eval_config import eval_config, names_of_slices, training_eval_config
from components.verdict.evaluation import Confusion, Evidence, SliceMetrics, read_evaluation
from pipeline.config import Config, Threshold

CLASSES = ["a", "b", "c"]
NAMES = {"kind": "label", "step_time": "time"}


def configured(*thresholds: Threshold, task: str = "multiclass", slices: list[str] | None = None) -> Config:
    gate = {"thresholds": [threshold.model_dump() for threshold in thresholds]} if thresholds else {}
    gate |= {} if slices is None else {"slices": slices}
    raw = {"name": "n", "task": task, "data": {"source": "x.csv", "sequence_id": "i"}, "gate": gate}
    if task != "generation":
        raw["data"]["label"] = "kind"
    return Config.model_validate_json(json.dumps(raw))


def extracted(answers: list[dict], labels: list | None = None, **features: list) -> list[dict]:
    """What the extractors before would have found out of each example."""
    rows = []
    for place, answer in enumerate(answers):
        label = None if labels is None else np.array([labels[place]])
        own = {name: np.array([values[place]]) for name, values in features.items()}
        own |= {} if label is None else {"kind": label}
        rows.append(
            {"labels": label, "predictions": answer, "features": own, "example_weights": np.array([1.0])}
        )
    return rows


def classified(truth: np.ndarray, probabilities: np.ndarray, classes: list[str]) -> list[dict]:
    names = np.array([name.encode() for name in classes])
    answers = [{"probabilities": row, "classes": names} for row in probabilities]
    return extracted(answers, [label.encode() for label in truth])


def evaluated(folder: str, config: Config, extracts: list[dict]):
    """Runs TFMA over predictions instead of a model; everything else is as in the Evaluator."""
    settings = config_pb2.EvalConfig()
    settings.CopyFrom(eval_config(config))
    del settings.model_specs[0].preprocessing_function_names[:]
    run_tfma(folder, settings, extracts)
    names = names_of_slices(config)
    return read_evaluation(folder, names).slices, *read_failures(folder, names)


def read_failures(uri: str, names: dict[str, str]) -> tuple[bool, set]:
    """TFMA's own validation: whether every bound was met; what was missed, (slice, metric, side, bound)."""
    result = tfma.load_validation_result(uri)
    missed = set()
    for validated in result.metric_validations_per_slice:
        keys = validated.slice_key.single_slice_keys
        where = tuple((names.get(key.column, key.column), key.bytes_value.decode()) for key in keys)
        for failure in validated.failures:
            bound = failure.metric_threshold.value_threshold
            for side, name in (("lower_bound", "min"), ("upper_bound", "max")):
                if bound.HasField(side):
                    missed.add((where, failure.metric_key.name, name, getattr(bound, side).value))
    return bool(result.validation_ok), missed


def run_tfma(folder: str, settings: config_pb2.EvalConfig, extracts: list[dict]) -> None:
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


def shape(slices: list[SliceMetrics]) -> list[tuple[dict[str, str], int]]:
    return [(dict(one.slice), one.examples) for one in slices]


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
    extracts = classified(truth, probabilities, CLASSES)
    folder = str(tmp_path / "out")
    slices, blessed, missed = evaluated(folder, config, extracts)
    assert shape(slices) == [({}, 150), *(({"label": c}, int((truth == c).sum())) for c in CLASSES)]
    assert slices[0].metrics["accuracy"] == pytest.approx(sk.accuracy_score(truth, predicted), abs=1e-6)
    assert slices[0].metrics["auc_macro"] == pytest.approx(
        sk.roc_auc_score(truth, probabilities, multi_class="ovr"), abs=1e-3
    )
    for one in slices[1:]:
        assert one.metrics["recall_macro"] == pytest.approx(recall[one.slice["label"]], abs=1e-6)
        assert one.metrics["auc_macro"] is None
    matrix = sk.confusion_matrix(truth, predicted, labels=CLASSES).tolist()
    assert slices[0].confusion == Confusion(CLASSES, dict(zip(CLASSES, matrix, strict=True)))
    assert "confusion_matrix" not in slices[0].metrics
    worst = min(recall, key=recall.get)
    assert not blessed
    assert missed == {
        ((("label", worst),), "recall_macro", "min", between),
        ((), "recall[b]", "max", recall["b"] - 1e-6),
    }
    by_value = config.gate.model_copy(update={"confidence": None, "min_slice_size": 1})
    decisions = value_bounds(by_value, config.gate.thresholds, Evidence(read_evaluation(folder, NAMES)))
    refused = {(tuple(one.slice.items()), one.metric, one.bound) for one in decisions if not one.passed}
    assert refused == {(where, metric, bound) for where, metric, _, bound in missed}
    for one in slices:  # what is no share has an interval from TFMA's bootstrap
        assert one.deviations["log_loss"] > 0


def test_met_bounds_bless(scored, tmp_path):
    config = configured(Threshold(metric="accuracy", min=0.1), Threshold(metric="log_loss", max=5))
    extracts = classified(*scored, CLASSES)
    _, blessed, missed = evaluated(str(tmp_path / "out"), config, extracts)
    assert (blessed, missed) == (True, set())


def test_of_a_binary_task_the_last_class_is_the_positive_one(tmp_path):
    # 50 true positives, 5 false positives, 10 false negatives, 35 true negatives
    truth = np.repeat(["yes", "no", "yes", "no"], [50, 5, 10, 35])
    positive = np.repeat([0.9, 0.5, 0.1, 0.1], [50, 5, 10, 35]).astype(np.float32)
    probabilities = np.stack([1 - positive, positive], axis=1)
    config = configured(Threshold(metric="recall", min=0.84), task="binary", slices=["label"])
    extracts = classified(truth, probabilities, ["no", "yes"])
    slices, blessed, _ = evaluated(str(tmp_path / "out"), config, extracts)
    found = slices[0].metrics
    expected = {"precision": 50 / 55, "recall": 50 / 60, "f1": 100 / 115, "accuracy": 0.85}
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["pr_auc"] == pytest.approx(sk.average_precision_score(truth == "yes", positive))
    assert slices[0].confusion == Confusion(["no", "yes"], {"no": [35, 5], "yes": [10, 50]})
    assert not blessed


def test_regression_arrives_by_slice_and_has_none_by_label(tmp_path):
    random = np.random.default_rng(4)
    labels = random.normal(50, 20, 60).astype(np.float32)
    predictions = (labels + random.normal(1, 5, 60)).astype(np.float32)
    buckets = np.array(["1-9", "10-19", "20+"])[np.repeat([0, 1, 2], [30, 29, 1])]
    lengths = [bucket.encode() for bucket in buckets]
    answers = [{"prediction": np.array([number])} for number in predictions]
    thresholds = [Threshold(metric="mse", max=1.0), Threshold(metric="r2", min=0.5)]
    config = configured(*thresholds, task="regression")
    extracts = extracted(answers, list(labels), sequence_length=lengths)
    slices, blessed, missed = evaluated(str(tmp_path / "out"), config, extracts)
    assert shape(slices) == [
        ({}, 60),
        ({"sequence_length": "1-9"}, 30),
        ({"sequence_length": "10-19"}, 29),
        ({"sequence_length": "20+"}, 1),
    ]
    for one, inside in zip(slices, [buckets != "", *(buckets == b for b in np.unique(buckets))], strict=True):
        assert one.metrics["mae"] == pytest.approx(
            sk.mean_absolute_error(labels[inside], predictions[inside]), abs=1e-6
        )
    assert slices[0].metrics["r2"] == pytest.approx(sk.r2_score(labels, predictions), abs=1e-6)
    assert slices[-1].metrics["r2"] is None
    assert not blessed
    assert missed == {((), "mse", "max", 1.0)}


def test_generation_arrives_without_a_label(tmp_path):
    texts = [([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 7, 6]), ([1, 1, 3], [1, 2, 3, 4])]
    answers = [
        {
            "log_likelihood": np.array([-tokens * np.log(4)]),
            "tokens": np.array([tokens]),
            "correct": np.array([tokens // 2]),
            "continuation": np.array([*continuation, *[0] * padding]),
            "reference": np.array([*reference, *[0] * padding]),
        }
        for (continuation, reference), tokens, padding in zip(texts, [10, 30], [3, 1], strict=True)
    ]
    config = configured(Threshold(metric="perplexity", max=3), task="generation")
    extracts = extracted(answers, sequence_length=[b"1-9", b"10+"])
    slices, blessed, _ = evaluated(str(tmp_path / "out"), config, extracts)
    assert shape(slices) == [({}, 2), ({"sequence_length": "1-9"}, 1), ({"sequence_length": "10+"}, 1)]
    said, true = ([" ".join(map(str, text[side])) for text in texts] for side in (0, 1))
    assert slices[0].metrics == pytest.approx(
        {
            "log_loss": np.log(4),
            "perplexity": 4,
            "bits_per_token": 2,
            "accuracy": 0.5,
            "bleu": sacrebleu.corpus_bleu(said, [true], tokenize="none").score,
        },
        abs=1e-6,
    )
    assert not blessed


def test_generation_of_numbers_arrives(tmp_path):
    answers = [
        {"squared_error": np.array([4.0]), "absolute_error": np.array([2.0]), "values": np.array([1])},
        {"squared_error": np.array([8.0]), "absolute_error": np.array([4.0]), "values": np.array([2])},
    ]
    config = configured(Threshold(metric="rmse", max=2.1), task="generation", slices=[])
    slices, blessed, _ = evaluated(str(tmp_path / "out"), config, extracted(answers))
    assert slices[0].metrics == pytest.approx({"mse": 4, "rmse": 2, "mae": 2})
    assert blessed


@pytest.mark.parametrize(
    ("task", "signature", "label"),
    [
        ("binary", "serving_default", "kind"),
        ("regression", "serving_default", "kind"),
        ("generation", "evaluation", ""),
    ],
)
def test_the_model_is_asked_through_the_signature_of_its_task(task, signature, label):
    (spec,) = eval_config(configured(task=task)).model_specs
    assert (spec.signature_name, spec.label_key) == (signature, label)
    assert list(spec.preprocessing_function_names) == ["transform_features"]


@pytest.mark.parametrize(
    ("task", "slices", "keys"),
    [
        ("binary", None, [[], ["sequence_length"], ["kind"]]),
        ("regression", None, [[], ["sequence_length"]]),
        ("generation", None, [[], ["sequence_length"]]),
        ("regression", [], [[]]),
    ],
)
def test_only_classes_are_sliced_by(task, slices, keys):
    found = eval_config(configured(task=task, slices=slices)).slicing_specs
    assert [list(spec.feature_keys) for spec in found] == keys


def test_two_models_are_compared_on_the_same_resampled_examples(scored, tmp_path):
    truth, better = scored
    worse = np.roll(better, 1, axis=1) * 0.3 + better * 0.7
    settings = tfma.utils.update_eval_config_with_defaults(eval_config(configured()), has_baseline=True)
    for spec in settings.model_specs:
        del spec.preprocessing_function_names[:]
    extracts = classified(truth, better, CLASSES)
    for row, other in zip(extracts, classified(truth, worse, CLASSES), strict=True):
        row["predictions"] = {"candidate": row["predictions"], "baseline": other["predictions"]}
    run_tfma(str(tmp_path), settings, extracts)
    found = read_evaluation(str(tmp_path), NAMES)
    ours, theirs = found.slices[0].metrics, found.baseline[0].metrics
    said = np.array(CLASSES)[worse.argmax(axis=1)]
    assert theirs["accuracy"] == pytest.approx(sk.accuracy_score(truth, said), abs=1e-6)
    assert shape(found.slices) == shape(found.baseline)
    for metric in ("accuracy", "log_loss", "recall_macro"):
        difference, deviation = found.differences[metric]
        assert difference == pytest.approx(ours[metric] - theirs[metric])
        assert metric + "_diff" not in ours
        assert 0 < deviation < 0.1
    # Paired: the deviation of a mean of 150 differences, not of two separate evaluations.
    losses = [-np.log(p[np.arange(150), [CLASSES.index(c) for c in truth]]) for p in (better, worse)]
    expected = (losses[0] - losses[1]).std() / np.sqrt(150)
    assert found.differences["log_loss"][1] == pytest.approx(expected, rel=0.6)


def test_a_slice_of_classes_names_its_period_by_its_begin(scored, tmp_path):
    truth, probabilities = scored
    config = configured(slices=["time"])
    when = [b"1422921600000000" if at < 100 else b"1423008000000000" for at in range(150)]
    extracts = classified(truth, probabilities, CLASSES)
    for row, begin in zip(extracts, when, strict=True):
        row["features"]["step_time"] = np.array([begin])
    slices, _, _ = evaluated(str(tmp_path / "out"), config, extracts)
    by_time = [({"time": "2015-02-03"}, 100), ({"time": "2015-02-04"}, 50)]
    assert [one for one in shape(slices) if "time" in one[0]] == by_time


def test_training_is_measured_without_bounds_and_without_resampling():
    config = configured(Threshold(metric="accuracy", min=0.5))
    ours, training = eval_config(config), training_eval_config(config)
    assert training.slicing_specs == ours.slicing_specs
    assert training.metrics_specs[0].metrics == ours.metrics_specs[0].metrics
    assert not training.metrics_specs[0].per_slice_thresholds
    assert not training.options.compute_confidence_intervals.value
    assert ours.options.compute_confidence_intervals.value


def test_columns_kept_to_slice_by_are_sliced_by():
    raw = {"name": "n", "task": "binary", "data": {"source": "x.csv", "label": "kind", "slices": ["site"]}}
    raw["data"]["time"] = "date"
    found = eval_config(Config.model_validate_json(json.dumps(raw))).slicing_specs
    assert [list(spec.feature_keys) for spec in found] == [
        [], ["sequence_length"], ["kind"], ["step_time"], ["site"],
    ]  # fmt: skip
