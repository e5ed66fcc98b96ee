"""The export: its signatures give the answers of the trainer's model, whatever the batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.ingest.names import argument_name
from components.trainer.dataset import batches
from components.trainer.export import ServedModel
from components.trainer.model import build
from components.trainer.training import _class_order, read_classes, without_dropout
from pipeline.config import Model
from pipeline.errors import DataRefused
from tests.components.conftest import LABEL, ODD, WHOLE, raw_example

CONFIG = Model(units=(6,), bidirectional=True, dropout=0.4, recurrent_dropout=0.1)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(3)
    return build(CONFIG, features=3, classes=3)


@pytest.fixture(scope="module")
def served(model, transformed, tmp_path_factory) -> tf.Module:
    folder = str(tmp_path_factory.mktemp("export"))
    classes = read_classes(transformed.output)
    answering = without_dropout(model, CONFIG, features=3, classes=3)
    ServedModel(answering, transformed.output, LABEL, classes).save(folder)
    return tf.saved_model.load(folder)


def trained_answers(model, transformed) -> np.ndarray:
    data = batches(
        [transformed.files], transformed.output, LABEL, read_classes(transformed.output), 64, part="all"
    )
    return np.concatenate([np.asarray(model(inputs, training=False)) for inputs, _ in data])


def ask(served, rows: list[dict[str, list[float]]]) -> dict[str, np.ndarray]:
    examples = tf.constant([raw_example(row) for row in rows])
    return {name: value.numpy() for name, value in served.signatures["serving_default"](examples).items()}


def ask_tensors(served, rows: list[dict[str, list[float]]], fill: float) -> np.ndarray:
    lengths = [len(row["a"]) for row in rows]
    tensors = {}
    for name in ("a", "b", ODD):
        whole = name == WHOLE
        padded = np.full(
            (len(rows), max(lengths) + 2), 7 if whole else fill, np.int64 if whole else np.float32
        )
        for place, row in enumerate(rows):
            padded[place, : lengths[place]] = row[name]
        tensors[argument_name(name)] = tf.constant(padded)
    lengths = tf.constant(lengths, tf.int64)
    return served.signatures["sequences"](lengths=lengths, **tensors)["probabilities"].numpy()


def test_classes_are_in_the_order_people_expect(transformed):
    assert read_classes(transformed.output) == ["2", "10", "z"]
    assert sorted(["b", "10", "nan", "2", "a"], key=_class_order) == ["2", "10", "a", "b", "nan"]


def test_both_signatures_answer_like_the_trainers_model(served, model, transformed):
    expected = trained_answers(model, transformed)
    together = ask(served, transformed.sequences)
    np.testing.assert_allclose(together["probabilities"], expected, atol=1e-5)
    alone = [ask(served, [row])["probabilities"][0] for row in transformed.sequences[:12]]
    np.testing.assert_allclose(alone, expected[:12], atol=1e-5)
    for fill in (0.0, 1e6, float("nan")):
        np.testing.assert_allclose(ask_tensors(served, transformed.sequences, fill), expected, atol=1e-5)


def test_label_and_score_are_those_of_the_likeliest_class(served, transformed):
    found = ask(served, transformed.sequences)
    best = found["probabilities"].argmax(axis=1)
    assert [text.decode() for text in found["label"]] == [["2", "10", "z"][i] for i in best]
    np.testing.assert_array_equal(found["score"], found["probabilities"].max(axis=1))


def test_an_empty_batch_gives_an_empty_answer(served):
    found = served.signatures["serving_default"](tf.zeros([0], tf.string))
    assert found["probabilities"].shape == (0, 3)


def test_lengths_beyond_the_tensors_are_an_error_and_the_next_request_works(served):
    kinds = {"a": tf.float32, WHOLE: tf.int64, ODD: tf.float32}
    one = {argument_name(name): tf.ones([1, 2], kind) for name, kind in kinds.items()}
    ask_served = served.signatures["sequences"]
    for length in (3, -1):
        with pytest.raises(tf.errors.InvalidArgumentError, match="expected 0 to the steps"):
            ask_served(lengths=tf.constant([length], tf.int64), **one)
    assert ask_served(lengths=tf.constant([2], tf.int64), **one)["probabilities"].shape == (1, 3)


def test_the_export_holds_no_op_that_needs_a_gpu_or_python(served):
    graphs = [signature.graph.as_graph_def() for signature in served.signatures.values()]
    ops = {node.op for graph in graphs for node in graph.node}
    ops |= {node.op for graph in graphs for function in graph.library.function for node in function.node_def}
    assert not {op for op in ops if "Cudnn" in op or "PyFunc" in op or "Random" in op}


def test_validation_takes_every_tenth_and_fit_the_rest(transformed):
    classes = read_classes(transformed.output)

    def count(part: str) -> int:
        data = batches([transformed.files], transformed.output, LABEL, classes, 5, part=part)
        return sum(len(labels) for _, labels in data)

    total = len(transformed.sequences)
    assert (count("all"), count("validation"), count("fit")) == (
        total,
        -(-total // 10),
        total - -(-total // 10),
    )


def test_one_class_alone_is_refused(transformed, monkeypatch):
    monkeypatch.setattr(transformed.output.__class__, "vocabulary_by_name", lambda *_: [b"only"])
    with pytest.raises(DataRefused, match="one class only"):
        read_classes(transformed.output)
