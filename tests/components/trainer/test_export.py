"""The export: its signatures give the answers of the trainer's model, whatever the batch."""

import base64
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_metadata.proto.v0 import schema_pb2

from components.ingest.names import argument_name
from components.trainer.answers import ClassAnswer, NumberAnswer
from components.trainer.beside import raw_rows, write_beside
from components.trainer.dataset import Data
from components.trainer.export import ServedModel
from components.trainer.generation import TokenAnswer
from components.trainer.inputs import pad, read_inputs, read_vocabulary
from components.trainer.model import Head, answering, build
from components.trainer.scaling import read_scaling
from components.trainer.series import SeriesAnswer
from components.trainer.target import Target
from pipeline.config import Model
from serving.loader.model import Model as Loaded
from serving.loader.tensors import numpy_kind
from tests.components.conftest import LABEL, MAX_LENGTH, ODD, WHOLE, Transformed, raw_example

CONFIG = Model(units=(6,), dropout=0.4, recurrent_dropout=0.1, embedding=4)
LONGEST = 14


class Exported:
    """A model with drawn weights, beside its export as loaded again."""

    def __init__(self, transformed: Transformed, target: Target, folder, **changes: object) -> None:
        self.transformed, self.target = transformed, target
        config = CONFIG.model_copy(update=changes)
        self.inputs = read_inputs(transformed.output, LABEL)
        keras.utils.set_random_seed(3)
        model = build(config, self.inputs, target.head)
        random = np.random.default_rng(1)
        model.set_weights([random.normal(scale=0.5, size=weight.shape) for weight in model.get_weights()])
        self.model = answering(model, config, self.inputs, target.head)
        ServedModel(self._answer(), transformed.output, self.inputs).save(str(folder))
        self.folder = folder
        self.served = Loaded(folder)

    def _answer(self):
        task = self.target.head.task
        if task == "regression":
            return NumberAnswer(self.model)
        if task != "generation":
            return ClassAnswer(self.model, self.target.classes)
        if self.inputs.tokens:
            return TokenAnswer(self.model, read_vocabulary(self.transformed.output, "text"), "characters")
        return SeriesAnswer(
            self.model, self.inputs, read_scaling(self.transformed.output, self.inputs.numbers)
        )

    def trained(self) -> np.ndarray:
        """The answers of the trainer's model to what Transform wrote."""
        label = None if self.target.head.task == "generation" else LABEL
        data = Data([self.transformed.files], self.transformed.output, self.inputs, self.target, label, 64)
        batches = data.part(None).in_order()
        return np.concatenate(
            [self.model(inputs, training=False)[weight > 0] for inputs, _, weight in batches]
        )

    def ask(self, rows: list[dict], signature: str = "serving_default") -> dict[str, np.ndarray]:
        rows = [{name: row[name] for name in self.inputs.names} for row in rows]
        return self.call(signature, examples=[raw_example(row) for row in rows])

    def call(self, signature: str, **inputs: object) -> dict[str, np.ndarray]:
        """The answer of TensorFlow Serving's loader."""
        wanted = self.served.signatures[signature].inputs
        arrays = {name: np.asarray(one, numpy_kind(wanted[name].kind)) for name, one in inputs.items()}
        return self.served.run(signature, arrays)

    def ask_tensors(self, rows: list[dict], fill: float, extra: int = 2) -> dict[str, np.ndarray]:
        lengths = [len(row[self.inputs.names[0]]) for row in rows]
        tensors = self.tensors(rows, fill, max(lengths, default=0) + extra)
        return self.call("sequences", lengths=lengths, **tensors)

    def tensors(self, rows: list[dict], fill: float, width: int) -> dict[str, np.ndarray]:
        """Per feature the rows as one tensor; behind each row any value."""
        kinds = self.transformed.output.raw_feature_spec()
        tensors = {}
        for name in self.inputs.names:
            kind = kinds[name].dtype
            filler = {tf.string: "any", tf.int64: 7}.get(kind, fill)
            padded = [list(row[name]) + [filler] * (width - len(row[name])) for row in rows]
            tensors[argument_name(name)] = np.array(padded, kind.as_numpy_dtype).reshape(len(rows), width)
        return tensors

    def draw(self, length: int, random: np.random.Generator) -> dict[str, list]:
        """A sequence of new values for the features."""
        drawn = {
            "a": random.normal(50, 30, length).tolist(),
            WHOLE: (2**40 + random.integers(-5, 20, length)).tolist(),
            ODD: [0.1] * length,
            "x": random.normal(3, 4, length).tolist(),
            "note": [" ".join(random.choice(["good", "BAD!", "Ünder", "new"], 3)) for _ in range(length)],
            "colour": random.choice(["red", "green", "blue", ""], length).tolist(),
            "text": random.choice(list("theca \\z"), length).tolist(),
        }
        return {name: drawn[name] for name in self.inputs.names}


@pytest.fixture(scope="module")
def multiclass(transformed, tmp_path_factory) -> Exported:
    target = Target(Head("multiclass", 3), ("2", "10", "z"))
    return Exported(transformed, target, tmp_path_factory.mktemp("multiclass"), bidirectional=True)


@pytest.fixture(scope="module")
def binary(worded, tmp_path_factory) -> Exported:
    return Exported(worded, Target(Head("binary"), ("no", "yes")), tmp_path_factory.mktemp("binary"))


@pytest.fixture(scope="module")
def regression(measured, tmp_path_factory) -> Exported:
    target = Target(Head("regression", 1, 120.0, 300.0))
    return Exported(measured, target, tmp_path_factory.mktemp("regression"))


@pytest.fixture(scope="module")
def characters(spoken, tmp_path_factory) -> Exported:
    size = next(iter(read_inputs(spoken.output, LABEL).tokens.values()))
    target = Target(Head("generation", size))
    return Exported(spoken, target, tmp_path_factory.mktemp("characters"), units=(6, 5))


@pytest.fixture(scope="module")
def numbers(series, tmp_path_factory) -> Exported:
    return Exported(series, Target(Head("generation", 3)), tmp_path_factory.mktemp("series"))


MAIN = {"multiclass": "probabilities", "binary": "probabilities", "regression": "prediction"}
EVERY = [*MAIN, "characters", "numbers"]


@pytest.fixture(params=EVERY)
def exported(request) -> Exported:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", MAIN)
def test_both_signatures_answer_like_the_trainers_model(name, request):
    exported = request.getfixturevalue(name)
    expected = exported.trained()
    expected = expected[:, 0] if name == "regression" else expected
    scale = exported.target.head.scale
    rows = exported.transformed.sequences
    np.testing.assert_allclose(exported.ask(rows)[MAIN[name]], expected, atol=1e-5 * scale)
    alone = [exported.ask([row])[MAIN[name]][0] for row in rows[:12]]
    np.testing.assert_allclose(alone, expected[:12], atol=1e-5 * scale)
    for fill in (0.0, 1e6, float("nan")):
        found = exported.ask_tensors(rows, fill)[MAIN[name]]
        np.testing.assert_allclose(found, expected, atol=1e-5 * scale)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(0, LONGEST), min_size=1, max_size=64),
    extra=st.integers(0, 4),
    seed=st.integers(0, 1000),
)
def test_any_batch_gives_each_sequence_the_answer_it_gets_alone(exported, lengths, extra, seed):
    random = np.random.default_rng(seed)
    rows = [exported.draw(length, random) for length in lengths]
    together, tensors = exported.ask(rows), exported.ask_tensors(rows, -1e4, extra)
    scale = max(1.0, exported.target.head.scale)
    for name, whole in together.items():
        if whole.dtype == object:
            continue  # texts follow from the numbers, and flip where two are equal to rounding
        alone = [exported.ask([row])[name][0] for row in rows[:4]]
        if exported.target.head.task == "generation" and name == "prediction":
            scale = float(2**24)  # in the unit of a feature of this size
        np.testing.assert_allclose(whole[:4], alone, atol=1e-5 * scale, rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(tensors[name], whole, atol=1e-5 * scale, rtol=1e-5, err_msg=name)


def test_a_sequence_without_steps_is_answered_by_the_rule_and_fails_no_other(exported):
    random = np.random.default_rng(0)
    empty, other = exported.draw(0, random), exported.draw(5, random)
    both, alone = exported.ask([empty, other]), exported.ask([other])
    assert all(np.isfinite(one).all() for one in both.values() if one.dtype != object)
    for name, one in alone.items():
        if one.dtype != object:
            np.testing.assert_allclose(both[name][1], one[0], rtol=1e-4)


def test_lengths_beyond_the_tensors_count_as_all_steps_and_fail_no_other(multiclass):
    random = np.random.default_rng(1)
    rows = [multiclass.draw(4, random) for _ in range(3)]
    tensors = multiclass.tensors(rows, 0.0, 4)
    found = multiclass.call("sequences", lengths=[9, -1, 4], **tensors)["probabilities"]
    expected = multiclass.call("sequences", lengths=[4, 0, 4], **tensors)["probabilities"]
    np.testing.assert_array_equal(found, expected)


def test_values_that_are_no_numbers_are_missing_and_fail_no_other(multiclass):
    random = np.random.default_rng(2)
    odd, other = multiclass.draw(3, random), multiclass.draw(3, random)
    odd["a"] = [float("inf"), float("nan"), -float("inf")]
    found = multiclass.ask([odd, other])["probabilities"]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1], multiclass.ask([other])["probabilities"][0], atol=1e-6)


def test_bytes_that_are_no_text_are_answered(binary):
    odd = {"note": [b"\xff\xfe good", b""], "colour": [b"\x80", b"red"], "x": [1.0, 2.0]}
    assert np.isfinite(binary.ask([odd])["probabilities"]).all()


def test_label_and_score_are_those_of_the_likeliest_class(multiclass):
    found = multiclass.ask(multiclass.transformed.sequences)
    best = found["probabilities"].argmax(axis=1)
    assert [text.decode() for text in found["label"]] == [["2", "10", "z"][i] for i in best]
    np.testing.assert_array_equal(found["score"], found["probabilities"].max(axis=1))


def test_half_is_enough_for_the_positive_class():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Identity()])
    answer = ClassAnswer(model, ("no", "yes"))
    label = answer(tf.constant([[0.5, 0.5], [0.6, 0.4], [0.4, 0.6]]))["label"].numpy().tolist()
    assert label == [b"yes", b"no", b"yes"]


@pytest.mark.parametrize("count", [0, -2, 1])
def test_so_many_tokens_are_generated_as_asked_for(characters, numbers, count):
    asked = {"prompt": [b"the", b""], "max_new_tokens": count, "temperature": float("inf"), "seed": 1}
    text = characters.call("generate", **asked)["text"]
    assert [len(one.decode()) for one in text] == [max(count, 0)] * 2
    rows = [numbers.draw(4, np.random.default_rng(1)) for _ in range(2)]
    tensors = numbers.tensors(rows, 0.0, 5)
    steps = numbers.call("generate", **tensors, lengths=[4, 4], max_new_tokens=count)
    assert {one.shape for one in steps.values()} == {(2, max(count, 0))}


def test_sequences_of_one_step_are_judged_as_holding_no_next_one(characters, numbers):
    random = np.random.default_rng(1)
    for exported, counted in ((characters, "tokens"), (numbers, "values")):
        found = exported.ask([exported.draw(1, random), exported.draw(1, random)], "evaluation")
        assert found[counted].tolist() == [0, 0]


def test_an_empty_batch_gives_an_empty_answer(exported):
    found = exported.call("serving_default", examples=[])
    assert {len(one) for one in found.values()} == {0}


def test_the_export_holds_no_op_that_needs_a_gpu_or_python(exported):
    saved = saved_model_pb2.SavedModel.FromString((exported.folder / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    ops = {node.op for node in graph.node}
    ops |= {node.op for function in graph.library.function for node in function.node_def}
    assert not {op for op in ops if "Cudnn" in op or "PyFunc" in op}
    assert not {op for op in ops if "Random" in op and "Stateless" not in op}


def first_ones(exported: Exported) -> dict[str, tf.Tensor]:
    data = Data(
        [exported.transformed.files], exported.transformed.output, exported.inputs, exported.target, None, 8
    )
    return pad(next(iter(data.part(None).records.batch(5).map(data.parse)))["stacked"])


def test_the_requests_beside_the_model_are_answered(exported):
    texts = ["note"] if "note" in exported.inputs.names else []
    between = "" if "text" in exported.inputs.names else None
    batch = first_ones(exported)
    write_beside(str(exported.folder), exported.transformed.output, exported.inputs, texts, batch, between)
    requests = json.loads((exported.folder / "assets.extra" / "example_requests.json").read_text())
    assert [one["signature_name"] for one in requests] == [
        "sequences", "serving_default", *(["generate"] if between is not None else [])
    ]  # fmt: skip
    answers = []
    for request in requests:
        values = {name: decoded(one) for name, one in request["inputs"].items()}
        answers.append(exported.call(request["signature_name"], **values))
    for name, one in answers[0].items():
        assert len(one) == 3
        if one.dtype != object:
            np.testing.assert_allclose(one, answers[1][name], rtol=1e-5, atol=1e-5)


def decoded(value: object) -> object:
    """A JSON value as TensorFlow Serving reads it."""
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return [decoded(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["multiclass", "regression"])
def test_the_requests_hold_sequences_of_the_training_split(name, request):
    exported = request.getfixturevalue(name)
    rows = raw_rows(exported.transformed.output, exported.inputs, [], first_ones(exported))
    kept = slice(-MAX_LENGTH, None) if name == "multiclass" else slice(None)
    originals = [one["a"][kept] for one in exported.transformed.sequences]
    for row in rows:
        close = [len(one) == len(row["a"]) and np.allclose(one, row["a"], rtol=1e-3) for one in originals]
        assert any(close)


def test_a_request_s_text_of_generation_is_put_together_as_it_was_cut(characters):
    transformed = characters.transformed
    rows = raw_rows(transformed.output, characters.inputs, ["text"], first_ones(characters), "")
    originals = ["".join(one["text"]) for one in transformed.sequences]
    assert [row["text"] for row in rows] == [[text] for text in originals[: len(rows)]]


def test_the_schema_beside_the_model_names_its_raw_features(binary):
    write_beside(str(binary.folder), binary.transformed.output, binary.inputs, ["note"], first_ones(binary))
    schema = text_format.Parse(
        (binary.folder / "assets.extra" / "raw_schema.pbtxt").read_text(), schema_pb2.Schema()
    )
    assert sorted(one.name for one in schema.feature) == ["colour", "note", "x"]


def test_steps_before_the_last_ones_kept_change_nothing(multiclass):
    row = multiclass.draw(MAX_LENGTH + 5, np.random.default_rng(3))
    kept = {name: steps[-MAX_LENGTH:] for name, steps in row.items()}
    np.testing.assert_array_equal(
        multiclass.ask([row])["probabilities"], multiclass.ask([kept])["probabilities"]
    )
