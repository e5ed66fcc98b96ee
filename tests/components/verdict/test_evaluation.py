"""What TFMA makes of a SavedModel that has no label, asked through every extractor of the Evaluator."""

import json

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from tfx_bsl.tfxio import tf_example_record

from components.verdict.eval_config import eval_config
from components.verdict.evaluation import SliceMetrics, _natural, read_evaluation
from pipeline.config import Config

EXAMPLES = tf.TensorSpec([None], tf.string, name="examples")
SPEC = {"tokens": tf.io.VarLenFeature(tf.int64)}
LENGTHS = [1, 9, 4, 12, 7, 3, 2, 2, 6, 11]


class Continuer(tf.Module):
    """Holds every token for one of two, is right on all but the first, and repeats each text."""

    @tf.function(input_signature=[EXAMPLES])
    def evaluation(self, examples):
        tokens = tf.sparse.to_dense(tf.io.parse_example(examples, SPEC)["tokens"])
        lengths = tf.math.count_nonzero(tokens, axis=1)
        return {
            "log_likelihood": -tf.cast(lengths, tf.float32) * tf.math.log(2.0),
            "tokens": lengths,
            "correct": lengths - 1,
            "continuation": tokens,
            "reference": tokens,
            "prompt": tokens,
        }

    @tf.function(input_signature=[EXAMPLES])
    def transform_features(self, examples):
        lengths = tf.sparse.reduce_sum(
            tf.sparse.map_values(tf.ones_like, tf.io.parse_example(examples, SPEC)["tokens"]), axis=1
        )
        return {"sequence_length": tf.where(lengths > 5, "6+", "1-5")}


def serialized(tokens: np.ndarray) -> bytes:
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=tokens))
    return tf.train.Example(features=tf.train.Features(feature={"tokens": feature})).SerializeToString()


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory) -> list[SliceMetrics]:
    folder = tmp_path_factory.mktemp("generation")
    raw = {"name": "n", "task": "generation", "data": {"source": "x.csv", "sequence_id": "i"}}
    settings = eval_config(Config.model_validate_json(json.dumps(raw)))
    model, path = Continuer(), str(folder / "model")
    signatures = {"evaluation": model.evaluation, "transform_features": model.transform_features}
    tf.saved_model.save(model, path, signatures=signatures)
    shared = tfma.default_eval_shared_model(path, eval_config=settings, tags=[tf.saved_model.SERVING])
    random = np.random.default_rng(6)
    records = tf_example_record.TFExampleBeamRecord(
        physical_format="inmem",
        raw_record_column_name=tfma.ARROW_INPUT_COLUMN,
        telemetry_descriptors=["test"],
    )
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create([serialized(random.integers(1, 9, length)) for length in LENGTHS])
            | records.BeamSource(batch_size=3)  # so that tensors of different widths meet
            | tfma.ExtractEvaluateAndWriteResults(
                eval_config=settings, eval_shared_model=shared, output_path=str(folder / "out")
            )
        )
    return read_evaluation(str(folder / "out"), {}).slices


def test_slices_are_in_the_order_of_their_first_number_then_of_text():
    """A power such as ² counts as digit, and is no number."""
    texts = ["b", "12-17", "²", "3-11", "18+", "2²", "a"]
    assert sorted(texts, key=_natural) == ["3-11", "12-17", "18+", "2²", "a", "b", "²"]


def test_every_text_arrives_in_its_slice(evaluation):
    assert [(dict(one.slice), one.examples) for one in evaluation] == [
        ({}, 10),
        ({"sequence_length": "1-5"}, 5),
        ({"sequence_length": "6+"}, 5),
    ]


@pytest.mark.parametrize(("place", "lengths"), [(0, LENGTHS), (1, [1, 4, 3, 2, 2]), (2, [9, 12, 7, 6, 11])])
def test_metrics_are_of_all_tokens_of_the_slice(evaluation, place, lengths):
    assert evaluation[place].metrics == pytest.approx(
        {
            "log_loss": np.log(2),
            "perplexity": 2,
            "bits_per_token": 1,
            "accuracy": 1 - len(lengths) / sum(lengths),
            "bleu": 100,
        },
        rel=1e-6,
    )


def test_the_texts_of_the_whole_split_are_read(evaluation):
    random = np.random.default_rng(6)
    texts = [random.integers(1, 9, length).tolist() for length in LENGTHS]
    found = [
        [[id_ for id_ in text if id_] for text in texts]
        for texts in evaluation[0].shown.continuations.tolist()
    ]
    assert sorted(found) == sorted([text] * 3 for text in texts)
    assert evaluation[1].shown is None
