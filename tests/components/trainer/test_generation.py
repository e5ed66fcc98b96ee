"""Models of the next step: likelihoods and continuations against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.special import log_softmax

from components.trainer.generation import TokenAnswer
from components.trainer.inputs import Inputs
from components.trainer.model import Head, build
from components.trainer.scaling import Scaling
from components.trainer.series import SeriesAnswer
from pipeline.config import Model

VOCABULARY = ["a", "b", "\\n", "\\\\", " "]  # as they stand in the file: a line end and a backslash
TEXTS = ["a", "b", "\n", "\\", " "]
IDS = len(VOCABULARY) + 2
CONFIG = Model(units=(6, 5), embedding=4)


def with_drawn_weights(inputs: Inputs, size: int, scale: float = 0.8) -> keras.Model:
    model = build(CONFIG, inputs, Head("generation", size), answering=True)
    random = np.random.default_rng(7)
    model.set_weights([random.normal(scale=scale, size=weight.shape) for weight in model.get_weights()])
    return model


MODEL = with_drawn_weights(Inputs((), {"text": IDS}), IDS)
ANSWER = TokenAnswer(MODEL, VOCABULARY, "characters")


def padded(rows: list[list[int]], extra: int = 1) -> dict[str, tf.Tensor]:
    width = max(2, *map(len, rows)) + extra
    tokens = np.zeros((len(rows), width, 1), np.int32)
    for place, row in enumerate(rows):
        tokens[place, : len(row), 0] = row
    mask = np.arange(width) < np.array([len(row) for row in rows])[:, None]
    return {"tokens": tf.constant(tokens), "mask": tf.constant(mask)}


def log_probabilities(row: list[int]) -> np.ndarray:
    """Ln p of each next token after each step of a row, read by the model alone, [steps, ids]."""
    return log_softmax(np.float64(MODEL(padded([row], extra=0), training=False)[0, : len(row)]), axis=-1)


def continued(row: list[int], count: int) -> list[int]:
    """The likeliest tokens, one after the other, each found by reading everything before it anew."""
    row, start = list(row), len(row)
    for _ in range(count):
        row.append(2 + int(log_probabilities(row)[-1, 2:].argmax()))
    return row[start:]


ROWS = [[2, 3, 4, 5, 6, 2], [3], [6, 6, 2], [4, 2, 5, 5]]


def text_of(ids: list[int]) -> str:
    return "".join(TEXTS[id_ - 2] for id_ in ids)


def test_the_likelihood_is_that_of_every_token_but_the_first():
    found = ANSWER.judged(padded(ROWS, extra=3))
    for place, row in enumerate(ROWS):
        each = log_probabilities(row)[:-1]
        expected = sum(each[at, following] for at, following in enumerate(row[1:]))
        assert float(found["log_likelihood"][place]) == pytest.approx(expected, abs=1e-5)
        assert int(found["tokens"][place]) == len(row) - 1
        hits = sum(each[at].argmax() == following for at, following in enumerate(row[1:]))
        assert int(found["correct"][place]) == hits


def test_the_next_token_is_the_likeliest_that_a_text_can_hold():
    found = ANSWER(padded(ROWS))
    for place, row in enumerate(ROWS):
        last = log_probabilities(row)[-1]
        best = 2 + int(last[2:].argmax())
        assert found["label"].numpy()[place].decode() == TEXTS[best - 2]
        assert float(found["score"][place]) == pytest.approx(np.exp(last[best]), abs=1e-6)


def test_without_temperature_each_token_is_the_likeliest():
    found = ANSWER.text(padded(ROWS), tf.constant(9), tf.constant(0.0), tf.constant(5, tf.int64))
    assert [one.decode() for one in found["text"].numpy()] == [text_of(continued(row, 9)) for row in ROWS]


def test_the_judged_prompt_is_the_first_half():
    found = ANSWER.judged(padded(ROWS, extra=2))
    assert found["prompt"].dtype == tf.int64
    assert found["prompt"].numpy().tolist() == [[2, 3, 4], [3, 0, 0], [6, 6, 0], [4, 2, 0]]


def test_of_a_long_prompt_the_last_fifty_tokens_are_told():
    row = (np.arange(130) % 5 + 2).tolist()
    found = ANSWER.judged(padded([row, [2, 3], row[:101]]))["prompt"].numpy()
    np.testing.assert_array_equal(found, [row[15:65], [2] + [0] * 49, row[1:51]])


def test_the_judged_continuation_is_that_of_the_first_half():
    found = ANSWER.judged(padded(ROWS, extra=2))
    for place, row in enumerate(ROWS):
        half = (len(row) + 1) // 2
        length = len(row) - half
        reference, continuation = (found[name].numpy()[place] for name in ("reference", "continuation"))
        assert reference[:length].tolist() == row[half:]
        assert continuation[:length].tolist() == continued(row[:half], length)
        assert not reference[length:].any()
        assert not continuation[length:].any()


def draws(prompt: list[int], count: int, temperature: float, seeds: range) -> list[str]:
    one = padded([prompt])
    ask = tf.function(
        lambda seed: ANSWER.text(one, tf.constant(count), tf.constant(temperature), seed)["text"]
    )
    return [ask(tf.constant(seed, tf.int64)).numpy()[0].decode() for seed in seeds]


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.0])
def test_tokens_are_drawn_with_the_probabilities_of_the_temperature(temperature):
    found = draws([2, 3], 1, temperature, range(3000))
    logits = log_probabilities([2, 3])[-1, 2:] / temperature
    # p(token) is that of a softmax over tokens a text can hold
    expected = np.exp(log_softmax(logits)) * len(found)
    counts = np.array([found.count(text) for text in TEXTS])
    assert counts.sum() == len(found)
    assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_the_same_seed_gives_the_same_text_alone_and_in_a_batch_and_a_longer_one_goes_on():
    def ask(rows: list[list[int]], count: int, seed: int) -> list[bytes]:
        found = ANSWER.text(padded(rows), tf.constant(count), tf.constant(1.0), tf.constant(seed, tf.int64))
        return found["text"].numpy().tolist()

    together = ask(ROWS, 12, 3)
    assert together == [ask([row], 12, 3)[0] for row in ROWS]
    assert [one[:4] for one in together] == ask(ROWS, 4, 3)
    assert together != ask(ROWS, 12, 4)
    assert ask(ROWS, 0, 3) == [b""] * len(ROWS)


def test_an_empty_prompt_is_continued_from_the_state_before_the_first_token():
    *_, bias = MODEL.get_weights()
    found = ANSWER.text(padded([[], [2]]), tf.constant(1), tf.constant(0.0), tf.constant(1, tf.int64))
    assert found["text"].numpy()[0].decode() == TEXTS[int(bias[2:].argmax())]


@pytest.mark.parametrize(
    ("prompt", "steps"),
    [
        ("characters", [b"a", b"b", b" ", b"c"]),
        ("words", [b"ab", b" c"]),
        ("text", [b"ab c"]),
        ("separated", [b"ab", b"c"]),
    ],
)
def test_a_prompt_becomes_the_steps_that_training_had(prompt, steps):
    found = TokenAnswer(MODEL, VOCABULARY, prompt).steps(tf.constant(["ab c"]))
    assert found.values.numpy().tolist() == steps


def test_separated_tokens_are_joined_by_blanks():
    answer = TokenAnswer(MODEL, VOCABULARY, "separated")
    found = answer.text(padded([[2, 3]]), tf.constant(3), tf.constant(0.0), tf.constant(1, tf.int64))
    assert found["text"].numpy()[0].decode() == " ".join(TEXTS[id_ - 2] for id_ in continued([2, 3], 3))


SERIES = with_drawn_weights(Inputs(("x", "y"), {}), 2, scale=0.5)
SCALING = Scaling(np.array([10.0, -1.0]), np.array([2.0, 0.5]))


def read(steps: np.ndarray) -> np.ndarray:
    """What the model expects after each of these z-scores."""
    mask = np.ones((1, len(steps)), bool)
    return np.float64(SERIES({"numbers": steps[None].astype(np.float32), "mask": mask}, training=False)[0])


def test_a_series_goes_on_from_its_own_expectations_in_the_features_units():
    answer = SeriesAnswer(SERIES, Inputs(("x", "y"), {}), SCALING)
    steps = np.random.default_rng(2).normal(size=(4, 2))
    numbers = np.concatenate([steps, np.full((2, 2), 9.0)])[None].astype(np.float32)
    one = {"numbers": tf.constant(numbers), "mask": tf.constant([[True] * 4 + [False] * 2])}
    found = answer.continued(one, tf.constant(3))[0].numpy()
    whole = steps
    for _ in range(3):
        whole = np.concatenate([whole, read(whole)[-1:]])
    np.testing.assert_allclose(found, whole[4:] * SCALING.deviation + SCALING.mean, atol=1e-4)
    np.testing.assert_allclose(answer(one)["prediction"][0], found[0], atol=1e-5)


def test_errors_of_a_series_are_summed_over_its_steps_but_the_first():
    answer = SeriesAnswer(SERIES, Inputs(("x", "y"), {}), SCALING)
    steps = np.random.default_rng(3).normal(size=(5, 2))
    numbers = np.concatenate([steps, np.full((1, 2), 9.0)])[None].astype(np.float32)
    found = answer.judged({"numbers": tf.constant(numbers), "mask": tf.constant([[True] * 5 + [False]])})
    error = read(steps)[:-1] - steps[1:]
    assert float(found["squared_error"][0]) == pytest.approx(np.square(error).sum(), rel=1e-5)
    assert float(found["absolute_error"][0]) == pytest.approx(np.abs(error).sum(), rel=1e-5)
    assert int(found["values"][0]) == error.size


def test_a_missing_value_of_a_series_is_read_as_the_mean_and_counts_nowhere():
    answer = SeriesAnswer(SERIES, Inputs(("x", "y"), {}), SCALING)
    steps = np.random.default_rng(4).normal(size=(6, 2))
    gaps = steps.copy()
    gaps[2, 0] = gaps[4, 1] = gaps[5] = np.nan
    one = {"numbers": tf.constant(gaps[None], tf.float32), "mask": tf.constant([[True] * 6])}
    said, known = read(np.nan_to_num(gaps)), np.isfinite(gaps[1:])
    found = answer.judged(one)
    error = (said[:-1] - steps[1:])[known]
    assert int(found["values"][0]) == 6
    assert float(found["squared_error"][0]) == pytest.approx(np.square(error).sum(), rel=1e-5)
    assert float(found["absolute_error"][0]) == pytest.approx(np.abs(error).sum(), rel=1e-5)
    expected = said[-1] * SCALING.deviation + SCALING.mean
    np.testing.assert_allclose(answer(one)["prediction"][0], expected, atol=1e-5)
    np.testing.assert_allclose(answer.continued(one, tf.constant(2))[0, 0], expected, atol=1e-5)
