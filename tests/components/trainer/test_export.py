"""The export: its signatures give the answers of the trainer's model, whatever the batch."""

import base64
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_metadata.proto.v0 import schema_pb2

from components.trainer.answers import ClassAnswer
from components.trainer.beside import Beside
from components.trainer.synthetic import UNKNOWN_TEXT, Synthetic
from serving.warm_up import stored_requests
from tests.components.conftest import MAX_LENGTH

LONGEST = 14


MAIN = {"multiclass": "probabilities", "binary": "probabilities", "regression": "prediction"}
EVERY = [*MAIN, "characters", "numbers"]


@pytest.fixture(params=EVERY)
def exported(request):
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


def test_the_requests_beside_the_model_are_answered(exported):
    requests = json.loads((exported.folder / "assets.extra" / "example_requests.json").read_text())
    generates = exported.target.head.task == "generation"
    wanted = ["sequences", "serving_default", *(["generate"] if generates else [])]
    assert [one["signature_name"] for one in requests] == wanted
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


def test_no_request_holds_a_record_and_all_lie_within_what_training_showed(exported):
    originals = exported.transformed.sequences
    texts = ["note"] if "note" in exported.inputs.names else []
    made = Synthetic(exported.transformed.output, exported.inputs, texts).rows([5] * 40)
    for name in exported.inputs.names:
        said = [step for row in made for step in row[name]]
        shown = [step for row in originals for step in row[name]]
        if isinstance(shown[0], str):
            words = {word.lower() for step in shown for word in step.split()} | set(shown)
            assert {word.lower() for step in said for word in step.split()} <= words | {""}
            assert UNKNOWN_TEXT not in said
        elif len(set(shown)) > 1:
            assert not set(said) & set(shown) or isinstance(said[0], int)
            middle, spread = np.nanmean(shown), np.nanstd(shown)
            assert np.abs(np.mean(said) - middle) < spread
            assert 0.5 * spread < np.std(said) < 2 * spread


def test_the_same_seed_draws_the_same_sequences_of_the_lengths_asked_for(multiclass):
    synthetic = Synthetic(multiclass.transformed.output, multiclass.inputs, [])
    first, second = (synthetic.rows([3, 0, 7], odd=False, seed=4) for _ in range(2))
    assert first == second != synthetic.rows([3, 0, 7], seed=5)
    assert [{len(steps) for steps in row.values()} for row in first] == [{3}, {0}, {7}]


def test_requests_of_long_sequences_hold_fewer_of_them(regression, tmp_path):
    folder, length = tmp_path / "model", 3000
    shutil.copytree(regression.folder, folder)
    output, inputs, lengths = regression.transformed.output, regression.inputs, np.array([length] * 9)
    Beside(str(folder), regression.exports, output, inputs, [], lengths).write(
        str(tmp_path / "expected.json")
    )
    warm = [one.inputs for one in stored_requests(folder) if one.signature == "sequences"]
    assert [len(one["lengths"]) for one in warm] == [1, 20_000 // length]
    expected = json.loads((tmp_path / "expected.json").read_text())
    assert {0, 1, length, length + 101} == set(expected["requests"][0]["inputs"]["lengths"])
    assert len(expected["answers"]["prediction"]) == 8  # each length once


def test_odd_sequences_hold_missing_numbers_and_unknown_tokens(multiclass, characters):
    numbers = Synthetic(multiclass.transformed.output, multiclass.inputs, []).rows([200], odd=True)
    assert 5 < np.isnan(numbers[0]["a"]).sum() < 50
    tokens = Synthetic(characters.transformed.output, characters.inputs, []).rows([200], odd=True)
    assert 5 < tokens[0]["text"].count(UNKNOWN_TEXT) < 50


def test_the_schema_beside_the_model_names_its_raw_features(binary):
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
