"""Periods of time that sequences are told apart by in the evaluation."""

import tensorflow as tf
import tensorflow_transform as tft

from components.ingest.moments import MICROSECONDS_FROM, NANOSECONDS_FROM

_PERIODS = 16  # that the training split spans at least
_SECONDS = (1, 10, 60, 600, 3600, 6 * 3600, 86400, 7 * 86400, 30 * 86400, 91 * 86400, 365 * 86400)
_ROUND = tuple(digit * 10**power for power in range(17) for digit in (1, 2, 5))


def period(last: tf.Tensor) -> tf.Tensor:
    """The begin of the period that each time lies in, as text, [batch].

    Periods are as long as can be while the training split spans sixteen of them: a number of seconds,
    minutes, hours or days where times count from 1970, else 1, 2 or 5 times a power of ten.

    Args:
      last: time of the last step of each sequence, [batch] int64, in the units of `step_time`.
    """
    extremes = tft.max(tf.stack([-last, last], axis=1), reduce_instance_dims=False)
    length = length_of_period(extremes[1] + extremes[0], extremes[1])
    return tf.strings.as_string(tf.math.floordiv(last, length) * length)


def length_of_period(span: tf.Tensor, latest: tf.Tensor) -> tf.Tensor:
    """The length of a period, where training spans `span` and ends at `latest`, all int64 in one unit."""
    seconds, plain = tf.constant(_SECONDS, tf.int64), tf.constant(_ROUND, tf.int64)
    in_micros, in_nanos = (_longest(seconds * scale, span) for scale in (10**6, 10**9))
    since_1970 = tf.where(latest >= NANOSECONDS_FROM, in_nanos, in_micros)
    return tf.where(latest >= MICROSECONDS_FROM, since_1970, _longest(plain, span))


def _longest(lengths: tf.Tensor, span: tf.Tensor) -> tf.Tensor:
    """The last of ascending lengths that fits sixteen times into the span; else the first."""
    fitting = tf.reduce_sum(tf.cast(span // lengths >= _PERIODS, tf.int32))
    return lengths[tf.maximum(fitting - 1, 0)]
