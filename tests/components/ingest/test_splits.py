"""Splits and windows: who is on which side, and that nothing is on both."""

import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingest import steps as st_
from components.ingest.cells import moments
from components.ingest.inference import first_moment
from components.ingest.layout import Layout, SourceFile
from components.ingest.problems import Report
from components.ingest.sequences import Examples, Sequences, group, windows
from components.ingest.splits import assign, candidates, cutoff_of, moment_text, moments_of, needs_moments
from pipeline.config import Config

Series = list[list[int]]  # times of the steps of each series


def layout_of(split: dict[str, Any], window: dict[str, int] | None = None, time: str = "int64") -> Layout:
    data = {"source": ["x.csv"], "sequence_id": "id", "time": "t", "label": "kind", "window": window}
    config = Config.model_validate({"name": "n", "task": "multiclass", "data": data, "split": split})
    return Layout(
        config, (SourceFile("x.csv", "x"),), {"a": "float"}, inferred=True, time=pa.type_for_alias(time)
    )


def batch_of(series: Series) -> pa.Table:
    """Steps as readers give them; each step's feature is its number in all."""
    ids = pa.array([f"s{number:03d}" for number, times in enumerate(series) for _ in times])
    total = len(ids)
    return pa.table(
        {
            "id": ids,
            "key": pa.array(st_.hash_text(ids)),
            "position": pa.array(np.arange(total)),
            "time": pa.array([time for times in series for time in times], pa.int64()),
            "label": pa.array(["p"] * total),
            "feature:a": pa.array(np.arange(total, dtype=np.float32)),
        }
    )


def split(series: Series, layout: Layout) -> tuple[Sequences, Examples, Any]:
    table = batch_of(series)
    sequences = group([table], layout, Report())
    cutoff = layout.config.split.cutoff
    if needs_moments(layout):
        halves = [table.slice(0, len(table) // 2), table.slice(len(table) // 2)]
        parts = [moments_of(half.combine_chunks().to_batches()[0], layout) for half in halves if len(half)]
        cutoff = cutoff_of(parts, layout)
    found, _ = candidates(sequences, layout)
    return sequences, found, assign(found, sequences, layout, cutoff)


def increasing(lengths: st.SearchStrategy[int]) -> st.SearchStrategy[Series]:
    gaps = lengths.flatmap(lambda n: st.lists(st.integers(1, 4), min_size=n, max_size=n))
    one = st.tuples(st.integers(0, 20), gaps).map(lambda p: (p[0] + np.cumsum([0, *p[1]])[:-1]).tolist())
    return st.lists(one.filter(bool), min_size=2, max_size=6)


def reference_windows(
    lengths: list[int], length: int, stride: int, horizon: int
) -> list[tuple[int, int, int]]:
    found, first = [], 0
    for steps in lengths:
        start = 0
        while start + length - 1 + horizon < steps:
            found.append((first + start, first + start + length, first + start + length - 1 + horizon))
            start += stride
        first += steps
    return found


@given(increasing(st.integers(1, 12)), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3))
def test_windows_equal_those_of_a_plain_loop(series, length, stride, horizon):
    sequences = group([batch_of(series)], layout_of({"by": "order"}, {"length": length}), Report())
    found = windows(sequences, length, stride, horizon)
    assert [*zip(found.start, found.start + found.length, found.label, strict=True)] == reference_windows(
        [len(times) for times in series], length, stride, horizon
    )


@given(
    increasing(st.integers(1, 14)), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2),
    st.integers(0, 5),
    st.sampled_from(["time", "order"]), st.floats(0.05, 0.9),
)  # fmt: skip
def test_no_step_is_in_two_splits_and_eval_begins_a_gap_after_training(
    series, length, stride, horizon, gap, by, fraction
):
    layout = layout_of(
        {"by": by, "eval_fraction": fraction, "gap": gap},
        {"length": length, "stride": stride, "horizon": horizon},
    )
    sequences, found, assigned = split(series, layout)
    used: dict[bool, dict[int, set[int]]] = {True: {}, False: {}}
    for place in np.flatnonzero(assigned.train | assigned.eval):
        needed = range(found.start[place], found.label[place] + 1)  # the label's step is used as well
        used[bool(assigned.eval[place])].setdefault(int(found.sequence[place]), set()).update(needed)
    for number, trained in used[False].items():
        judged = used[True].get(number)
        if judged:
            assert max(trained) + gap < min(judged)
    if by == "time":
        times = sequences.array("time")
        ends = [max(times[list(steps)]) for steps in used[False].values()]
        begins = [min(times[list(steps)]) for steps in used[True].values()]
        assert not ends or not begins or max(ends) < min(begins)


@given(
    increasing(st.integers(1, 14)), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2),
    st.integers(0, 5),
    st.sampled_from(["time", "order", "sequence"]),
)  # fmt: skip
def test_what_is_kept_and_what_is_left_out_is_the_input(series, length, stride, horizon, gap, by):
    gap = 0 if by == "sequence" else gap
    window = {"length": length, "stride": stride, "horizon": horizon}
    _, found, assigned = split(series, layout_of({"by": by, "gap": gap}, window))
    assert not (assigned.train & assigned.eval).any()
    kept = int(assigned.train.sum() + assigned.eval.sum())
    assert kept + sum(assigned.left_out.values()) == len(found)
    assert len(found) == len(reference_windows([len(times) for times in series], length, stride, horizon))


@given(increasing(st.integers(1, 6)), st.floats(0.05, 0.9), st.integers(0, 9))
def test_whole_sequences_by_time_train_before_the_cutoff_and_judge_after_the_gap(series, fraction, gap_us):
    layout = layout_of({"by": "time", "eval_fraction": fraction, "gap": f"{gap_us}us"}, time="timestamp[us]")
    sequences, found, assigned = split(series, layout)
    times = sequences.array("time")
    last_trained = max((times[found.label[i]] for i in np.flatnonzero(assigned.train)), default=None)
    first_judged = min((times[found.start[i]] for i in np.flatnonzero(assigned.eval)), default=None)
    if last_trained is not None and first_judged is not None:
        assert first_judged - last_trained > gap_us or (gap_us == 0 and first_judged > last_trained)
    kept = int(assigned.train.sum() + assigned.eval.sum())
    assert kept + sum(assigned.left_out.values()) == len(series)


def test_equal_moments_stay_on_one_side():
    series = [[1], [2], [3], [3], [3], [4]]
    _, _, assigned = split(series, layout_of({"by": "time", "eval_fraction": 0.34}))
    assert assigned.eval.tolist() == [False, False, True, True, True, True]


def test_the_share_of_the_evaluation_split_is_the_configured_one():
    series = [[number] for number in range(100)]
    for by in ("time", "order"):
        _, _, assigned = split(series, layout_of({"by": by, "eval_fraction": 0.3}))
        assert assigned.eval.sum() == 30
        assert assigned.eval.tolist() == sorted(assigned.eval.tolist())


def test_order_counts_a_sequence_by_its_first_row():
    # Rows of three sequences in turn, with times against the order of the rows.
    table = batch_of([[9, 8], [7, 6], [5, 4]]).take(pa.array([0, 2, 4, 1, 3, 5]))
    table = table.set_column(2, "position", pa.array(np.arange(6)))
    layout = layout_of({"by": "order", "eval_fraction": 0.34})
    sequences = group([table], layout, Report())
    cutoff = cutoff_of([moments_of(table.combine_chunks().to_batches()[0], layout)], layout)
    assigned = assign(candidates(sequences, layout)[0], sequences, layout, cutoff)
    assert assigned.eval.tolist() == [False, False, True]


def test_a_window_on_paper():
    # Ten steps at times 0 to 9, windows of three, the label two steps later, a gap of one.
    layout = layout_of({"by": "time", "cutoff": 5, "gap": 1}, {"length": 3, "horizon": 2})
    _, found, assigned = split([list(range(10))], layout)
    assert found.start.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.label.tolist() == [4, 5, 6, 7, 8, 9]
    assert assigned.train.tolist() == [True, False, False, False, False, False]
    assert not assigned.eval.any()  # the one that begins at 5 is in the gap
    assert assigned.left_out == {"reach across the cutoff": 4, "begin in the gap": 1}


@given(st.sets(st.text(min_size=1), min_size=40), st.floats(0.1, 0.9))
def test_by_hash_a_sequence_keeps_its_side_as_the_data_set_grows(ids, fraction):
    def in_eval(names: list[str]) -> dict[str, bool]:
        layout = layout_of({"by": "sequence", "eval_fraction": fraction})
        table = batch_of([[0]] * len(names)).set_column(0, "id", pa.array(names))
        table = table.set_column(1, "key", pa.array(st_.hash_text(pa.array(names))))
        sequences = group([table], layout, Report())
        assigned = assign(candidates(sequences, layout)[0], sequences, layout, None)
        return dict(zip(sequences.steps.column("id").to_pylist(), assigned.eval.tolist(), strict=True))

    whole = in_eval(sorted(ids))
    part = in_eval(sorted(ids)[::2])
    assert part == {name: whole[name] for name in part}


def test_by_hash_agrees_between_processes():
    code = (
        "import pyarrow as pa; from components.ingest.steps import hash_text; "
        "print(hash_text(pa.array([f's{i}' for i in range(50)])).tolist())"
    )
    found = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert found == {f"{st_.hash_text(pa.array([f's{i}' for i in range(50)])).tolist()}\n"}


def test_by_hash_the_share_is_about_the_fraction():
    _, _, assigned = split([[0]] * 10_000, layout_of({"by": "sequence", "eval_fraction": 0.2}))
    assert abs(assigned.eval.mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 10_000)


@given(st.permutations(range(12)))
def test_the_order_of_rows_and_of_parts_never_matters(order):
    layout = layout_of({"by": "sequence"})
    table = batch_of([[1, 2, 3], [5, 7], [2, 9, 11, 12], [4], [1, 8]])
    expected = group([table], layout, Report()).steps
    shuffled = table.take(pa.array(order))
    for cut in (1, 6, 11):
        parts = [shuffled.slice(cut), shuffled.slice(0, cut)]
        assert group(parts, layout, Report()).steps.equals(expected)


def test_repeated_times_are_reported_and_the_first_row_kept():
    report = Report()
    table = batch_of([[3, 1, 3, 2]])
    sequences = group([table], layout_of({"by": "order"}), report)
    assert sequences.array("time").tolist() == [1, 2, 3]
    assert sequences.array("feature:a").tolist() == [1, 3, 0]
    assert (report.problems, report.left_out, report.shown[0][0]) == (1, 1, 2)


@pytest.mark.parametrize(
    ("texts", "kind", "shown"),
    [
        (["2015-02-04 17:50"], "timestamp[us]", "2015-02-04T17:50:00"),
        (["2015-02-04 17:51:00.250"], "timestamp[us]", "2015-02-04T17:51:00.25"),
        (["2015-02-04T17:51:00.000000001"], "timestamp[ns]", "2015-02-04T17:51:00.000000001"),
        (["2015-02-04T17:51:00+01:00"], "timestamp[us, tz=UTC]", "2015-02-04T16:51:00Z"),
        (["3"], "int64", 3),
        (["3.5", "4"], "double", 3.5),
        (["soon"], "None", None),
    ],
)
def test_moments_are_read_and_written_as_people_write_them(texts, kind, shown):
    found = first_moment(pa.chunked_array([texts]))
    assert str(found) == kind
    if found is not None:
        values = moments(pa.array(texts), found).values
        assert moment_text(values[0].as_py(), found) == shown


def test_steps_of_a_shard_come_by_id_and_time():
    sequences = group([batch_of([[2, 1], [4, 3]])], layout_of({"by": "order"}), Report())
    times = sequences.array("time").tolist()
    assert all(a < b for start in (0, 2) for a, b in pairwise(times[start : start + 2]))
