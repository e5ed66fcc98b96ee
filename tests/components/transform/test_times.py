"""The periods of time that the evaluation is sliced by, against NumPy's calendar."""

import numpy as np
import pytest
import tensorflow as tf

from components.ingest.moments import moment_text
from components.transform.times import length_of_period
from tests.components.conftest import LABEL, put_through, raw_example

DAY_US = 86_400 * 10**6
BEGIN = int(np.datetime64("2015-02-04T17:51", "us").astype(np.int64))


def periods(folder, trained: list[int], asked: list[list[int]]) -> list[str]:
    """The periods of sequences whose steps are at the times `asked`, after training at `trained`."""
    sequences = [{"a": [float(at)], "step_time": [time]} for at, time in enumerate(trained)]
    kinds = {"a": tf.float32, LABEL: tf.string}
    made = put_through(folder, sequences, ["x"] * len(trained), kinds, timed=True)
    spec = made.output.raw_feature_spec()
    spec = {name: spec[name] for name in ("a", "step_time")}
    rows = [raw_example({"a": [1.0] * len(times), "step_time": times}) for times in asked]
    found = made.output.transform_features_layer()(tf.io.parse_example(rows, spec))
    return [text.decode() for text in found["step_time"].numpy()]


@pytest.mark.parametrize(
    ("span_days", "unit"),
    [(1e-5, "1s"), (0.5, "10m"), (3, "1h"), (4, "6h"), (16, "1D"), (200, "7D"), (500, "30D"), (6000, "365D")],
)
@pytest.mark.parametrize("scale", [1, 1000])  # micro- and nanoseconds
def test_a_period_is_the_longest_that_training_spans_sixteen_of(span_days, unit, scale):
    span, latest = (
        tf.constant(int(span_days * DAY_US) * scale, tf.int64),
        tf.constant(BEGIN * scale, tf.int64),
    )
    length = np.timedelta64(int(unit[:-1]), unit[-1]).astype("timedelta64[us]").astype(np.int64)
    assert length_of_period(span, latest) == length * scale


@pytest.mark.parametrize(("span", "length"), [(0, 1), (31, 1), (32, 2), (1000, 50), (1600, 100)])
def test_plain_numbers_have_periods_of_round_numbers(span, length):
    assert length_of_period(tf.constant(span, tf.int64), tf.constant(span, tf.int64)) == length


def test_a_sequence_is_in_the_period_of_its_last_step(tmp_path):
    day = BEGIN // DAY_US * DAY_US  # of four days of training a period has six hours
    asked = [[day, day + 1], [day, day + DAY_US // 4], [day + 5 * DAY_US - 1], []]
    found = periods(tmp_path, [BEGIN, BEGIN + 4 * DAY_US], asked)
    assert found == [str(at) for at in (day, day + DAY_US // 4, day + DAY_US // 4 * 19, 0)]


def test_times_before_1970_are_plain_numbers(tmp_path):
    assert periods(tmp_path, [-1600, 0], [[-150], [-1600]]) == ["-200", "-1600"]


@pytest.mark.parametrize(
    ("step_time", "text"),
    [
        (BEGIN, "2015-02-04T17:51"),
        (BEGIN * 1000, "2015-02-04T17:51"),
        (BEGIN // DAY_US * DAY_US, "2015-02-04"),
        (BEGIN + 7 * 10**6, "2015-02-04T17:51:07"),
        (42, "42"),
        (-5, "-5"),
    ],
)
def test_a_moment_is_said_in_utc_where_it_counts_from_1970(step_time, text):
    assert moment_text(step_time) == text
