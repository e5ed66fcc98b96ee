"""The GRU: its equations, and that padding never changes an answer."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trainer.model import build
from pipeline.config import Model

FEATURES, CLASSES = 3, 4


def a_model(**changes: object) -> keras.Model:
    keras.utils.set_random_seed(2)
    model = build(Model(**{"units": (5,), "dropout": 0.3, **changes}), FEATURES, CLASSES)
    random = np.random.default_rng(1)
    model.set_weights([random.normal(scale=0.6, size=weight.shape) for weight in model.get_weights()])
    return model


SHAPES = {
    "one layer": {},
    "two layers": {"units": (5, 4)},
    "bidirectional": {"bidirectional": True},
    "all of it": {"units": (5, 4), "bidirectional": True, "recurrent_dropout": 0.2, "l2": 0.01},
}
MODELS = {name: a_model(**changes) for name, changes in SHAPES.items()}


def answer(model: keras.Model, rows: list[np.ndarray], *, padded_to: int, with_value: float) -> np.ndarray:
    steps = np.full((len(rows), padded_to, FEATURES), with_value, np.float32)
    mask = np.zeros((len(rows), padded_to), bool)
    for place, row in enumerate(rows):
        steps[place, : len(row)], mask[place, : len(row)] = row, True
    return np.asarray(model({"steps": steps, "mask": mask}, training=False))


@pytest.mark.parametrize("name", SHAPES)
@settings(deadline=None, max_examples=15)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    extra=st.integers(0, 5),
    value=st.sampled_from([0.0, 1e3, -7.5]),
    seed=st.integers(0, 100),
)
def test_padding_and_company_change_no_answer(name, lengths, extra, value, seed):
    random = np.random.default_rng(seed)
    rows = [random.normal(size=(length, FEATURES)).astype(np.float32) for length in lengths]
    together = answer(MODELS[name], rows, padded_to=max(lengths) + extra, with_value=value)
    alone = [answer(MODELS[name], [row], padded_to=len(row), with_value=0.0)[0] for row in rows]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_one_layer_follows_the_equations_of_the_gru():
    """Cho et al., 2014, with the reset gate applied after the matrix product (reset_after)."""
    model = MODELS["one layer"]
    kernel, recurrent, bias, dense, dense_bias = (np.float64(weight) for weight in model.get_weights())
    row = np.random.default_rng(9).normal(size=(7, FEATURES))
    units = recurrent.shape[0]
    state = np.zeros(units)
    for step in row:
        inputs, memory = step @ kernel + bias[0], state @ recurrent + bias[1]
        update = sigmoid(inputs[:units] + memory[:units])
        reset = sigmoid(inputs[units : 2 * units] + memory[units : 2 * units])
        candidate = np.tanh(inputs[2 * units :] + reset * memory[2 * units :])
        state = update * state + (1 - update) * candidate
    scores = np.exp(state @ dense + dense_bias)
    found = answer(model, [row.astype(np.float32)], padded_to=7, with_value=0.0)[0]
    np.testing.assert_allclose(found, scores / scores.sum(), atol=1e-5)
