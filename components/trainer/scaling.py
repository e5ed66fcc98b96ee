"""Mean and standard deviation of the features of numbers, read off Transform's graph by asking it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft

_PROBES = 10.0 ** np.arange(-12, 19)


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
    """
    layer, spec = transform.transform_features_layer(), transform.raw_feature_spec()
    mean, deviation = np.zeros(len(names)), np.zeros(len(names))
    for place, name in enumerate(names):
        probes = np.concatenate([[0.0], _PROBES[_PROBES >= 1] if spec[name].dtype.is_integer else _PROBES])
        scores = layer({name: _steps(probes, spec[name].dtype)})[name].values.numpy().astype(np.float64)
        moved = np.abs(scores[1:] - scores[0])
        far = np.flatnonzero(moved > np.maximum(1.0, np.abs(scores[0])))
        if len(far):
            deviation[place] = probes[1 + far[0]] / (scores[1 + far[0]] - scores[0])
            mean[place] = -scores[0] * deviation[place]
    return Scaling(mean, deviation)


def _steps(values: npt.NDArray[np.float64], kind: Any) -> tf.SparseTensor:
    places = np.stack([np.zeros(len(values), np.int64), np.arange(len(values))], axis=1)
    return tf.SparseTensor(places, tf.cast(values, kind), [1, len(values)])
