"""The scaling read off Transform's graph is the mean and deviation of the sequences."""

import numpy as np
import pytest
import tensorflow as tf

from components.trainer.scaling import read_scaling

NAMES = ("2nd (°C)", "a", "b")
FLOAT32 = float(np.finfo(np.float32).eps)


@pytest.fixture(params=["transformed", "series"])
def found(request):
    """Sequences cut to their last steps, and whole ones."""
    data = request.getfixturevalue(request.param)
    last = 6 if request.param == "transformed" else 99
    steps = {name: np.concatenate([one[name][-last:] for one in data.sequences]) for name in NAMES}
    return read_scaling(data.output, NAMES), {name: one[np.isfinite(one)] for name, one in steps.items()}


def test_a_feature_of_fractions_has_the_mean_and_deviation_of_its_steps(found):
    scaling, steps = found
    assert scaling.mean[1] == pytest.approx(steps["a"].astype(np.float32).mean(dtype=float), rel=4 * FLOAT32)
    assert scaling.deviation[1] == pytest.approx(steps["a"].std(), rel=4 * FLOAT32)


def test_the_mean_of_large_whole_numbers_is_told_to_a_fraction_of_their_deviation(found):
    scaling, steps = found
    exact = steps["b"] - 2.0**40  # 0 to 8
    assert scaling.mean[2] - 2.0**40 == pytest.approx(exact.mean(), abs=1e-3 * exact.std())
    assert scaling.deviation[2] == pytest.approx(exact.std(), rel=1e-3)


def test_a_constant_feature_has_no_deviation(found):
    scaling, _ = found
    assert (scaling.mean[0], scaling.deviation[0]) == (0, 0)


def test_a_number_beside_text_is_read_too(worded):
    steps = np.concatenate(
        [
            np.repeat(one["x"], [max(1, len(note.split())) for note in one["note"]])[-9:]
            for one in worded.sequences
        ]
    )
    scaling = read_scaling(worded.output, ("x",))
    assert scaling.mean[0] == pytest.approx(steps.mean(), rel=4 * FLOAT32)
    assert scaling.deviation[0] == pytest.approx(steps.std(), rel=4 * FLOAT32)


@pytest.mark.parametrize(
    ("values", "precision"),
    [
        ([-3e-7, 5e-7, 1e-7], 1e-6),
        ([-3e15, 5e15, 1e12], 1e-6),
        ([1e6, 1e6 + 1, 1e6 + 2], 1e-6),
        ([-1e6 - 0.5, -1e6], 1e-6),
    ],
    ids=["tiny", "huge", "far from zero", "far below zero"],
)
def test_a_scale_of_any_size_is_found(values, precision):
    exact = np.float32(values).astype(float)
    scaling = read_scaling(Scores(exact.mean(), exact.std()), ("x",))
    assert scaling.deviation[0] == pytest.approx(exact.std(), rel=precision)
    assert scaling.mean[0] == pytest.approx(exact.mean(), abs=precision * exact.std(), rel=1e-9)


class Scores:
    """Answers as Transform's graph does: z-scores computed in float64, given as float32."""

    def __init__(self, mean: float, deviation: float) -> None:
        self.mean, self.deviation = mean, deviation

    def raw_feature_spec(self):
        return {"x": tf.io.VarLenFeature(tf.float32)}

    def transform_features_layer(self):
        def scores(features):
            steps = tf.cast(features["x"].values, tf.float64)
            return {"x": features["x"].with_values(tf.cast((steps - self.mean) / self.deviation, tf.float32))}

        return scores
