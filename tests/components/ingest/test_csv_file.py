"""The CSV reader against pandas, and its errors."""

import gzip
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest.csv_file import read_csv
from pipeline.config import Data
from pipeline.errors import DataRefused

Write = Callable[[str, str], Path]


def columns(**changes: object) -> Data:
    return Data(**{"source": "rows.csv", "sequence_id": "id", "label": "kind", "time": "t", **changes})


def refused(path: Path, data: Data) -> str:
    with pytest.raises(DataRefused) as caught:
        read_csv([str(path)], data)
    return str(caught.value)


def test_rows_become_sequences_ordered_by_time(write):
    path = write("rows.csv", "id,t,kind,a,b\nx,2,p,0.2,20\ny,1,q,0.5,50\nx,1,p,0.1,10\n")
    found = read_csv([str(path)], columns())
    assert found.ids.to_pylist() == ["x", "y"]
    assert found.labels.to_pylist() == ["p", "q"]
    assert list(found.features) == ["a", "b"]
    assert found.features["b"].to_pylist() == [[10, 20], [50]]
    assert found.time.to_pylist() == [[1, 2], [1]]


def test_without_time_the_order_of_the_rows_holds(write):
    path = write("rows.csv", "id,kind,a\nx,p,3\ny,q,9\nx,p,1\nx,p,2\n")
    assert read_csv([str(path)], columns(time=None)).features["a"].to_pylist() == [[3, 1, 2], [9]]


def test_timestamps_order_the_steps(write):
    path = write("rows.csv", "id,t,kind,a\nx,2015-02-04 17:52:00,p,2\nx,2015-02-04 17:51:00,p,1\n")
    found = read_csv([str(path)], columns())
    assert found.features["a"].to_pylist() == [[1, 2]]
    assert found.time[0].as_py() == [datetime(2015, 2, 4, 17, 51), datetime(2015, 2, 4, 17, 52)]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1600000000123456800", "1600000000123456789"], [2, 1]),  # more digits than a float holds
        (["+2", "1"], [2, 1]),
        (["1.5", "-3"], [2, 1]),
        (["2020-01-01T02:30:00+02:00", "2020-01-01T00:31:00Z"], [1, 2]),
        (["2020-01-01T00:00:00.000000002", "2020-01-01T00:00:00"], [2, 1]),
        (["2020-01-02", "2020-01-01"], [2, 1]),
    ],
)
def test_times_of_every_kind_order_the_steps(write, texts, expected):
    path = write("rows.csv", f"id,t,kind,a\nx,{texts[0]},p,1\nx,{texts[1]},p,2\n")
    assert read_csv([str(path)], columns()).features["a"].to_pylist() == [expected]


def test_names_that_cannot_be_requested_are_refused_also_where_they_are_configured(write):
    path = write("rows.csv", "id,t,kind,a b,a.b\nx,1,p,1,2\n")
    configured = columns(features={"a b": "float", "a.b": "float"})
    assert "'a b' and 'a.b' would both be a_b" in refused(path, configured)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "+inf"])
def test_a_time_that_is_no_moment_is_refused(write, text):
    path = write("rows.csv", f"id,t,kind,a\nx,1.0,p,1\nx,{text},p,2\n")
    assert f"line 3, column t: expected a moment, got {text.lstrip('+')}" in refused(path, columns())


def test_a_bad_first_time_does_not_blame_the_good_ones(write):
    path = write("rows.csv", "id,t,kind,a\nx,,p,1\nx,1,p,1\nx,2,p,1\n")
    text = refused(path, columns())
    assert "line 2, column t: expected a number, as 1, got ''" in text
    assert "cells that cannot be read: 1" in text


def test_lines_are_counted_as_an_editor_does(write):
    path = write("rows.csv", 'id,t,kind,a\n\n\nx,1,"p",1\ny,1,q,"2\n"\nz,1,q,bad\n')
    assert "line 7, column a: expected a number, got 'bad'" in refused(path, columns())


def test_configured_features_are_kept_and_ignored_columns_left_out(write):
    path = write("rows.csv", "id,t,kind,a,note,b\nx,1,p,1,hello,2\n")
    assert list(read_csv([str(path)], columns(ignore=("note",))).features) == ["a", "b"]
    assert list(read_csv([str(path)], columns(features={"b": "float"})).features) == ["b"]


def test_an_empty_cell_of_a_feature_is_a_missing_value(write):
    path = write("rows.csv", "id,t,kind,a\nx,1,p,\nx,2,p,4\n")
    steps = read_csv([str(path)], columns()).features["a"][0].as_py()
    assert np.isnan(steps[0])
    assert steps[1] == 4


def test_gzip_and_several_files_are_one_table(write, tmp_path):
    first = write("1.csv", "id,t,kind,a\nx,1,p,1\n")
    second = tmp_path / "2.csv.gz"
    second.write_bytes(gzip.compress(b"a,kind,t,id\n2,p,2,x\n3,q,1,y\n"))
    found = read_csv([str(first), str(second)], columns())
    assert found.features["a"].to_pylist() == [[1, 2], [3]]


def test_every_bad_cell_is_named_with_file_line_column_and_text(write):
    path = write("rows.csv", "id,t,kind,a,b\nx,0,p,1,7\nx,1,p,1,zwei\nx,zwölf,p,1,2\n,3,,1,2\n")
    text = refused(path, columns())
    for expected in (
        f"{path}, line 3, column b: expected a number, got 'zwei'",
        f"{path}, line 4, column t: expected a number, as 0, got 'zwölf'",
        f"{path}, line 5, column id: expected a value, got none",
        f"{path}, line 5, column kind: expected a value, got none",
    ):
        assert expected in text
    assert text.startswith("cells that cannot be read: 4")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "the file is empty"),
        ("id,t,kind,a\n", "expected rows after the header, got none"),
        ("id,t,kind,a,a\nx,1,p,1,2\n", "columns occur twice"),
        ("id,t,kind,a\nx,1,p,1,5\nx,1,p\n", "expected 4 cells in every row, as in the header; 2 rows differ"),
        ("id,t,a\nx,1,2\n", "'kind' is in the configuration; the file has id, t, a"),
        ("id,t,kind\nx,1,p\n", "no column is left that could be a feature"),
        ("id,t,kind,sequence_length\nx,1,p,1\n", "'sequence_length': the name is taken"),
        ("id,t,kind,lengths\nx,1,p,1\n", "'lengths': the name is taken"),
        ("id,t,kind,\nx,1,p,1\n", "'': the name is empty"),
        ("id,t,kind,a b,a.b\nx,1,p,1,2\n", "'a b' and 'a.b' would both be a_b in requests"),
        ('id,t,kind,a\nx,1,"p\nq",1\n', "line 3, column kind: expected a class on one line"),
        (
            "id,t,kind,a,who\n" + "x,1,p,1,anna\n" * 30,
            "column who: expected numbers, got text such as 'anna'",
        ),
        ("\n\n", "expected a header and rows, got none"),
        ("id,t,kind,a\nx,1,p,1\nx,2,q,1\n", "line 3: expected 'p', got 'q'"),
        (
            "id,t,kind,a\nx,2015-01-01,p,1\nx,5,p,1\n",
            "line 3, column t: expected an ISO 8601 timestamp, as 2015-01-01, got '5'",
        ),
    ],
)
def test_a_file_that_cannot_be_used_says_why(write, content, expected):
    assert expected in refused(write("rows.csv", content), columns())


@pytest.mark.parametrize("content", ["id,t,kind,ä\nx,1,p,1\n".encode("latin-1"), "id,t\n".encode("utf-16")])
def test_text_that_is_not_utf8_is_refused(tmp_path, content):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    assert "expected UTF-8 text" in refused(path, columns())


def test_gzip_without_its_ending_is_refused(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(gzip.compress(b"id,t,kind,a\nx,1,p,1\n"))
    assert "name the file rows.csv.gz" in refused(path, columns())


def test_a_truncated_gzip_is_refused(tmp_path):
    path = tmp_path / "rows.csv.gz"
    whole = gzip.compress(b"id,t,kind,a\n" + b"x,1,p,1\n" * 5000)
    path.write_bytes(whole[: len(whole) // 2])
    assert f"{path}: cannot be read as CSV" in refused(path, columns())


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_any_shuffled_table_equals_pandas_groupby(tmp_path_factory, rows, sequences, seed):
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "id": random.integers(sequences, size=rows).astype(str),
            "t": random.permutation(rows),
            "a": random.normal(size=rows).astype(np.float32),
        }
    )
    table["kind"] = "k" + table["id"]
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    table.to_csv(path, index=False)
    found = read_csv([str(path)], columns())
    assert found.ids.to_pylist() == table["id"].drop_duplicates().tolist()
    for id_, label, steps in zip(found.ids, found.labels, found.features["a"], strict=True):
        expected = table[table["id"] == id_.as_py()].sort_values("t")
        assert label.as_py() == expected["kind"].iloc[0]
        np.testing.assert_array_equal(np.float32(steps.as_py()), expected["a"].to_numpy())
