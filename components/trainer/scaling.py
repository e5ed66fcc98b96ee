"""Mean and standard deviation of the features of numbers, read off Transform's graph by asking it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

_PROBES = np.concatenate([[0.0], 10.0 ** np.arange(-12, 19)])

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """How z-scores become values: `score * deviation + mean`.

    Attributes:
      mean: [numbers]; that of a constant feature is not known, it counts as 0.
      deviation: [numbers]; 0 where a feature is constant in the training split.
    """

    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]


def read_scaling(transform: tft.TFTransformOutput, names: tuple[str, ...]) -> Scaling:
    """The scaling of features, to the precision of float32.

    The graph computes (x - mean) / deviation. Asked for 0 and for powers of ten, the smallest of
    these that moves the score by more than the score of 0 tells the deviation, and this the mean.
    Far from 0 both are rough, so the same is asked again around that mean.

    Args:
      transform: output of Transform.
      names: features of numbers.
    """
    layer, spec = transform.transform_features_layer(), transform.raw_feature_spec()
    mean, deviation = np.zeros(len(names)), np.zeros(len(names))
    others = {name: tf.zeros([len(_PROBES)], one.dtype) for name, one in spec.items() if name not in names}
    for _ in range(2):
        asked = {
            name: tf.cast(center + _PROBES, spec[name].dtype)
            for name, center in zip(names, mean.tolist(), strict=True)
        }
        scores = layer({name: _of_one_step(values) for name, values in {**others, **asked}.items()})
        for place, name in enumerate(names):
            mean[place], deviation[place] = _line(_exact(asked[name]), _exact(scores[name].values))
    return Scaling(mean, deviation)


def _of_one_step(values: tf.Tensor) -> tf.SparseTensor:
    """Sequences of one step each, which `data.max_length` leaves whole."""
    return tf.RaggedTensor.from_uniform_row_length(values, 1).to_sparse()


def _line(values: Numbers, scores: Numbers) -> tuple[float, float]:
    """Mean and deviation of which these are the scores; the first value stands nearest to the mean."""
    moved = np.abs(scores - scores[0])
    far = np.flatnonzero(moved > max(1.0, abs(scores[0])))
    if not len(far):
        return 0.0, 0.0
    deviation = (values[far[0]] - values[0]) / (scores[far[0]] - scores[0])
    return float(values[0] - scores[0] * deviation), float(deviation)


def _exact(numbers: tf.Tensor) -> Numbers:
    return np.asarray(numbers, np.float64)
