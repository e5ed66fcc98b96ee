"""Parquet through ingest: rows that are steps, and rows whose cells are lists of steps."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

LONG = {"sequence_id": "id", "label": "kind", "time": "t"}
UTC, WEST = timezone.utc, timezone(timedelta(hours=-9))
ORDER = {"by": "order", "eval_fraction": 0.5}


def save(tmp_path, **columns: object):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_the_types_of_the_columns_tell_the_kinds(tmp_path, ingest):
    path = save(
        tmp_path,
        id=pa.array([7, 7, 8]),
        t=pa.array([2, 1, 1]),
        kind=pa.array([1.0, 1.0, 0.0]),
        whole=pa.array([5, 6, 7]),
        gaps=pa.array([5, None, 7]),
        real=pa.array([0.5, None, 1.5], pa.float64()),
        flag=pa.array([True, False, True]),
        site=pa.array(["a", "b", "a"]).dictionary_encode(),
    )
    found = ingest(path, data=LONG, split=ORDER)
    assert found.manifest["features"] == {
        "whole": "integer", "gaps": "float", "real": "float", "flag": "integer", "site": "category",
    }  # fmt: skip
    row = found.by_id()["7"]
    assert (row["kind"], row["whole"], row["flag"], row["site"]) == ([b"1"], [6, 5], [0, 1], [b"b", b"a"])
    np.testing.assert_array_equal(row["gaps"], [np.nan, 5])
    np.testing.assert_array_equal(row["real"], [np.nan, 0.5])


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([date(2020, 1, 2), date(2020, 1, 1)], "timestamp[us]"),
        ([datetime(2020, 1, 2), datetime(2020, 1, 1)], "timestamp[us]"),  # noqa: DTZ001
        ([datetime(2020, 1, 1, tzinfo=WEST), datetime(2020, 1, 1, 8, tzinfo=UTC)], "timestamp[us, tz=UTC]"),
        ([2.5, 1.0], "double"),
    ],
)  # fmt: skip
def test_times_of_every_type_order_the_steps(tmp_path, ingest, times, expected):
    path = save(tmp_path, id=["x", "x", "y", "y"], t=times * 2, kind=["p"] * 4, a=[2.0, 1.0, 4.0, 3.0])
    found = ingest(path, data=LONG, split=ORDER)
    assert found.manifest["time"] == expected
    assert found.by_id()["x"]["a"] == [1, 2]


def test_cells_may_hold_the_steps_of_a_sequence(tmp_path, ingest):
    path = save(tmp_path, kind=["p", "q"], a=[[1.0, 2.0, 3.0], [4.0]], day=[["mo", "tu", "we"], ["th"]])
    found = ingest(path, data={"label": "kind"}, split=ORDER)
    assert found.by_id()["rows:1"] == {
        "sequence_id": [b"rows:1"],
        "sequence_length": [3],
        "kind": [b"p"],
        "a": [1, 2, 3],
        "day": [b"mo", b"tu", b"we"],
    }


def test_lists_of_different_lengths_and_empty_ones_are_refused(tmp_path, refused):
    path = save(tmp_path, kind=["p", "q", "r"], a=[[1.0, 2.0], [1.0], []], b=[[1.0, 2.0], [1.0, 2.0], []])
    text = refused(path, data={"label": "kind"}, split=ORDER)
    assert text.startswith("places that cannot be used: 2")
    assert "row 2, expected features of one length and at least one step in each" in text
    assert "row 3, " in text


def test_a_missing_label_is_named_by_its_row(tmp_path, refused):
    path = save(tmp_path, id=["x", "y"], t=[1, 2], kind=["p", None], a=[1.0, 2.0])
    assert "row 2, column kind: expected a class, got none" in refused(path, data=LONG, split=ORDER)


def test_the_same_rows_as_csv_and_as_parquet_give_the_same_examples(tmp_path, ingest):
    frame = pd.DataFrame(
        {"id": list("xxyyzz"), "t": [2, 1] * 3, "kind": list("ppqqpp"), "a": np.arange(6) / 8}
    )
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    one, other = (ingest(tmp_path / f"rows.{kind}", data=LONG, split=ORDER) for kind in ("csv", "parquet"))
    assert (one.train, one.eval) == (other.train, other.eval)


@pytest.mark.parametrize(
    ("content", "expected"), [(b"", "the file is empty"), (b"id,t\n1,2\n", "cannot be read as Parquet")]
)
def test_what_is_no_parquet_is_refused(tmp_path, refused, content, expected):
    path = tmp_path / "rows.parquet"
    path.write_bytes(content)
    assert expected in refused(path, data=LONG)


def test_a_table_without_rows_is_refused(tmp_path, refused):
    path = save(tmp_path, id=pa.array([], pa.string()), t=[], kind=[], a=[])
    assert "expected rows, got none" in refused(path, data=LONG)


def files(tmp_path, *tables: dict[str, object]) -> str:
    for number, columns in enumerate(tables):
        pq.write_table(pa.table(columns), tmp_path / f"{number}.parquet", version="2.6")
    return str(tmp_path / "*.parquet")


def test_an_id_and_a_class_are_the_same_as_whole_and_as_real_numbers(tmp_path, ingest):
    big = 20230101123
    source = files(
        tmp_path,
        {"id": [big, big + 1], "t": [1, 1], "kind": [1, 0], "a": [1.0, 2.0]},
        {"id": [float(big), float(big + 1)], "t": [2, 2], "kind": [1.0, 0.0], "a": [3.0, 4.0]},
    )
    found = ingest(source, data=LONG, split=ORDER).by_id()
    assert {name: (row["kind"], row["a"]) for name, row in found.items()} == {
        str(big): ([b"1"], [1, 3]),
        str(big + 1): ([b"0"], [2, 4]),
    }


def test_nan_is_no_id(tmp_path, refused):
    path = save(tmp_path, id=[1.0, float("nan"), 2.0], t=[1, 2, 3], kind=["p"] * 3, a=[1.0] * 3)
    assert "row 2, column id: expected a value on one line, got nan" in refused(path, data=LONG, split=ORDER)


def test_a_column_of_another_type_in_a_later_file_is_refused(tmp_path, refused):
    one = {"id": ["x"], "t": [1], "kind": [1], "a": [1.0]}
    text = refused(files(tmp_path, one, {**one, "kind": [True]}), data=LONG, split=ORDER)
    assert "1.parquet, column kind: expected int64 as in" in text
    assert text.endswith("got bool")


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 2**63 + 5], pa.uint64()),
        pa.array([1.0, 1e19]),
        pa.array([1.0, 1.5]),
        pa.array([1, None], pa.int64()),
    ],
)
def test_what_is_no_int64_is_no_integer(tmp_path, refused, values):
    path = save(tmp_path, id=["x", "y"], t=[1, 2], kind=["p", "q"], a=values)
    text = refused(path, data={**LONG, "features": {"a": "integer"}}, split=ORDER)
    assert "row 2, column a: expected a whole number" in text


def test_a_decimal_keeps_every_digit_as_an_integer(tmp_path, ingest):
    values = pa.array([Decimal(1), Decimal(2**60 + 1)], pa.decimal128(38, 0))
    path = save(tmp_path, id=["x", "y"], t=[1, 2], kind=["p", "q"], a=values)
    found = ingest(path, data={**LONG, "features": {"a": "integer"}}, split=ORDER)
    assert found.by_id()["y"]["a"] == [2**60 + 1]


def test_the_finest_unit_of_all_files_is_kept(tmp_path, ingest):
    rest = {"kind": ["p", "p"], "a": [1.0, 2.0]}
    source = files(
        tmp_path,
        {"id": ["x", "x"], "t": pa.array([1, 2], pa.timestamp("us")), **rest},
        {"id": ["y", "y"], "t": pa.array([2001, 2999], pa.timestamp("ns")), **rest},
    )
    found = ingest(source, data=LONG, split=ORDER).by_id()
    assert (found["x"]["step_time"], found["y"]["step_time"]) == ([1000, 2000], [2001, 2999])


def test_a_moment_beyond_the_unit_is_refused(tmp_path, refused):
    times = pa.array([1, 20_000_000_000_000], pa.timestamp("s"))
    path = save(tmp_path, id=["x", "y"], t=times, kind=["p", "q"], a=[1.0, 2.0])
    assert "row 2, column t: expected an ISO 8601 timestamp" in refused(path, data=LONG, split=ORDER)


def test_one_cell_that_is_no_text_costs_one_row(tmp_path, ingest):
    path = save(tmp_path, id=pa.array([b"x", b"y", b"\xff", b"z"]), t=[1] * 4, kind=["p"] * 4, a=[1.0] * 4)
    found = ingest(path, data={**LONG, "on_bad_rows": "skip"}, split=ORDER)
    assert sorted(found.by_id()) == ["x", "y", "z"]
    assert found.manifest["rows"]["skipped"] == 1
