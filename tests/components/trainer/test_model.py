"""The GRU: its equations, and that padding never changes an answer."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trainer.inputs import Inputs
from components.trainer.model import Head, answering, build
from pipeline.config import Model

NUMBERS = Inputs(("a", "b", "c"), {})
MIXED = Inputs(("a", "b"), {"colour": 5, "word": 9})
HEADS = {
    "binary": Head("binary"),
    "multiclass": Head("multiclass", 4),
    "regression": Head("regression", 1, 20.0, -3.0),
    "generation": Head("generation", 9),
}


def a_model(inputs: Inputs, head: Head, **changes: object) -> keras.Model:
    keras.utils.set_random_seed(2)
    config = Model(**{"units": (5,), "dropout": 0.3, "embedding": 3, **changes})
    model = build(config, inputs, head)
    random = np.random.default_rng(1)
    model.set_weights([random.normal(scale=0.6, size=weight.shape) for weight in model.get_weights()])
    return answering(model, config, inputs, head)


MODELS = {
    "one layer": a_model(NUMBERS, HEADS["multiclass"]),
    "two layers": a_model(NUMBERS, HEADS["binary"], units=(5, 4)),
    "bidirectional": a_model(MIXED, HEADS["regression"], bidirectional=True),
    "tokens alone": a_model(Inputs((), {"word": 9}), HEADS["generation"], units=(5, 4)),
    "all of it": a_model(
        MIXED, HEADS["multiclass"], units=(5, 4), bidirectional=True, recurrent_dropout=0.2, l2=0.01
    ),
}


def drawn(model: keras.Model, length: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """One sequence for the model's inputs."""
    shapes = {name: one.shape[-1] for name, one in model.input.items() if name != "mask"}
    return {
        name: random.integers(1, 5, (length, size)).astype(np.int32)
        if name == "tokens"
        else random.normal(size=(length, size)).astype(np.float32)
        for name, size in shapes.items()
    }


def answer(model: keras.Model, rows: list[dict], width: int, fill: float) -> np.ndarray:
    """The answers to rows, padded to a width with any value."""
    lengths = [len(next(iter(row.values()))) for row in rows]
    padded = {"mask": np.arange(width) < np.array(lengths)[:, None]}
    for name, first in rows[0].items():
        whole = np.full((len(rows), width, first.shape[1]), int(fill) % 5 if name == "tokens" else fill)
        for place, row in enumerate(rows):
            whole[place, : lengths[place]] = row[name]
        padded[name] = whole.astype(first.dtype)
    return np.asarray(model(padded, training=False))


@pytest.mark.parametrize("name", MODELS)
@settings(deadline=None, max_examples=25)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=64),
    extra=st.integers(0, 5),
    fill=st.sampled_from([0.0, 1e3, -7.5]),
    seed=st.integers(0, 100),
)
def test_padding_and_company_change_no_answer(name, lengths, extra, fill, seed):
    random, model = np.random.default_rng(seed), MODELS[name]
    rows = [drawn(model, length, random) for length in lengths]
    together = answer(model, rows, max(1, *lengths, 1) + extra, fill)
    for place, (row, length) in enumerate(zip(rows[:5], lengths[:5], strict=True)):
        alone = answer(model, [row], max(1, length), 0.0)[0]
        if model.output.shape[1] is None:  # an answer at each step: those of the padding mean nothing
            np.testing.assert_allclose(together[place, :length], alone[:length], atol=1e-5)
        else:
            np.testing.assert_allclose(together[place], alone, atol=1e-5)


def test_a_sequence_without_steps_is_answered_from_the_state_before_the_first():
    model = MODELS["one layer"]
    _, _, _, _, bias = model.get_weights()
    found = answer(model, [{"numbers": np.zeros((0, 3), np.float32)}], 4, 7.0)[0]
    np.testing.assert_allclose(found, np.exp(bias) / np.exp(bias).sum(), atol=1e-6)


def test_heads_answer_in_the_words_of_their_task():
    random = np.random.default_rng(0)
    one = drawn(MODELS["two layers"], 4, random)
    binary = answer(MODELS["two layers"], [one], 4, 0)[0]
    assert binary.shape == (2,)
    np.testing.assert_allclose(binary.sum(), 1, atol=1e-6)
    model = MODELS["bidirectional"]
    assert answer(model, [drawn(model, 4, random)], 4, 0).shape == (1, 1)
    many = answer(MODELS["one layer"], [drawn(MODELS["one layer"], 4, random)], 4, 0)[0]
    np.testing.assert_allclose(many.sum(), 1, atol=1e-6)


def test_a_regression_answers_in_the_unit_of_the_label():
    config, head = Model(units=(3,)), HEADS["regression"]
    scaled = build(config, NUMBERS, head)
    whole = answering(scaled, config, NUMBERS, head)
    one = drawn(scaled, 6, np.random.default_rng(4))
    np.testing.assert_allclose(answer(whole, [one], 6, 0), answer(scaled, [one], 6, 0) * 20 - 3, atol=1e-5)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def step(state: np.ndarray, inputs: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """One step of the GRU with the reset gate after the matrix product, as `build` says it."""
    kernel, recurrent, (of_inputs, of_state) = weights
    units = recurrent.shape[0]
    x, h = inputs @ kernel + of_inputs, state @ recurrent + of_state
    update = sigmoid(x[:units] + h[:units])
    reset = sigmoid(x[units : 2 * units] + h[units : 2 * units])
    candidate = np.tanh(x[2 * units :] + reset * h[2 * units :])
    return update * state + (1 - update) * candidate


def test_one_layer_follows_the_equations_of_the_gru():
    model = MODELS["one layer"]
    *gru, dense, dense_bias = (np.float64(weight) for weight in model.get_weights())
    row = np.random.default_rng(9).normal(size=(7, 3)).astype(np.float32)
    state = np.zeros(5)
    for inputs in row:
        state = step(state, inputs, gru)
    scores = np.exp(state @ dense + dense_bias)
    found = answer(model, [{"numbers": row}], 9, 5.0)[0]
    np.testing.assert_allclose(found, scores / scores.sum(), atol=1e-5)


def test_tokens_are_embedded_and_every_step_is_answered():
    model = MODELS["tokens alone"]
    table, *rest = (np.float64(weight) for weight in model.get_weights())
    first, second, dense, bias = rest[:3], rest[3:6], rest[6], rest[7]
    ids = np.array([3, 8, 1, 2])
    below, above, expected = np.zeros(5), np.zeros(4), []
    for id_ in ids:
        below = step(below, table[id_], first)
        above = step(above, below, second)
        expected.append(above @ dense + bias)
    found = answer(model, [{"tokens": ids[:, None].astype(np.int32)}], 4, 0)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_bidirectional_layer_reads_the_steps_backwards_from_the_last_real_one():
    config, head = Model(units=(2,), bidirectional=True), Head("regression")
    model = build(config, NUMBERS, head, answering=True)
    *both, dense, bias = (np.float64(weight) for weight in model.get_weights())
    row = np.random.default_rng(3).normal(size=(5, 3)).astype(np.float32)
    forwards, backwards = np.zeros(2), np.zeros(2)
    for inputs in row:
        forwards = step(forwards, inputs, both[:3])
    for inputs in row[::-1]:
        backwards = step(backwards, inputs, both[3:])
    expected = np.concatenate([forwards, backwards]) @ dense + bias
    np.testing.assert_allclose(answer(model, [{"numbers": row}], 8, 1e3)[0], expected, atol=1e-5)
