"""Splits: who is on which side, and that nothing is on both."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.sequences import Sequences
from components.ingest.splits import assign, moment_text
from pipeline.config import Split
from pipeline.errors import DataRefused


def sequences(ids: list[str], times: list[list[float]] | None = None) -> Sequences:
    steps = times or [[0.0]] * len(ids)
    return Sequences(
        ids=pa.array(ids),
        labels=pa.array(["a"] * len(ids)),
        features={"x": pa.array(steps, pa.list_(pa.float32()))},
        time=None if times is None else pa.array(times, pa.list_(pa.float64())),
    )


def test_by_order_the_first_train_and_the_last_judge():
    found = assign(sequences([str(i) for i in range(10)]), Split(eval_fraction=0.2), "order")
    assert found.train.tolist() == list(range(8))
    assert found.eval.tolist() == [8, 9]


@given(st.sets(st.text(min_size=1), min_size=40), st.floats(0.3, 0.7))
def test_by_hash_a_sequence_keeps_its_side_as_the_data_set_grows(ids, fraction):
    ids = sorted(ids)
    split = Split(eval_fraction=fraction)
    whole = assign(sequences(ids), split, "sequence")
    assert sorted([*whole.train, *whole.eval]) == list(range(len(ids)))
    try:
        part = assign(sequences(ids[::2]), split, "sequence")
    except DataRefused:
        return  # by chance all of them are on one side
    in_eval = {ids[i] for i in whole.eval}
    assert {ids[::2][i] for i in part.eval} == in_eval & set(ids[::2])


def test_by_hash_agrees_between_processes():
    code = (
        "import pyarrow as pa; from components.ingest.splits import _by_hash; "
        "print(_by_hash(pa.array([f's{i}' for i in range(50)]), 0.3).eval.tolist())"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    here = assign(sequences([f"s{i}" for i in range(50)]), Split(eval_fraction=0.3), "sequence").eval
    assert runs == {f"{here.tolist()}\n"}


def test_by_hash_the_share_is_about_the_fraction():
    found = assign(sequences([f"s{i}" for i in range(10_000)]), Split(eval_fraction=0.2), "sequence")
    assert abs(len(found.eval) / 10_000 - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 10_000)


def test_by_time_what_reaches_across_the_cutoff_is_left_out_and_counted():
    found = assign(sequences(["a", "b", "c", "d"], [[1, 2], [2, 5], [4], [5, 6]]), Split(cutoff=4), "time")
    assert found.train.tolist() == [0]
    assert found.eval.tolist() == [2, 3]
    assert found.left_out == {"reaches across the cutoff": 1}


@given(
    st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=4).map(sorted), min_size=4, max_size=30),
    st.floats(0.1, 0.5),
)
def test_by_time_all_of_train_lies_before_all_of_eval(times, fraction):
    ids = [str(i) for i in range(len(times))]
    try:
        found = assign(sequences(ids, times), Split(eval_fraction=fraction), "time")
    except DataRefused as refused:
        assert "would be empty" in refused.summary
        return
    assert max(times[i][-1] for i in found.train) < min(times[i][0] for i in found.eval)
    assert len(found.train) + len(found.eval) + sum(found.left_out.values()) == len(times)


def test_a_split_with_an_empty_side_is_refused():
    with pytest.raises(DataRefused, match="the eval split would be empty"):
        assign(sequences(["a", "b"]), Split(eval_fraction=0.1), "order")


def test_a_cutoff_of_another_kind_than_the_times_is_refused():
    with pytest.raises(DataRefused, match=r"split\.cutoff does not fit data\.time"):
        assign(sequences(["a", "b"], [[1], [2]]), Split(cutoff="2015-01-01"), "time")


def test_moments_are_written_as_people_write_them():
    assert moment_text(np.datetime64("2015-02-04T17:50:00.000000")) == "2015-02-04T17:50:00"
    assert moment_text(np.datetime64("2015-02-04T17:51:00.250000")) == "2015-02-04T17:51:00.25"
    assert (moment_text(np.float64(3)), moment_text(np.float64(3.5)), moment_text(np.int64(4))) == (3, 3.5, 4)
