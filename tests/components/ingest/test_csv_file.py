"""CSV through ingest: what is read, and what is refused with its place."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest.csv_file import _BLOCK_BYTES

US, NS = 10**6, 10**9
LONG = {"sequence_id": "id", "label": "kind", "time": "t"}
REST = "".join(f"r{i},{t},q,{i}\n" for i in range(9) for t in (1, 2))  # so that no split is empty
REST_AB = REST.replace("\n", ",1\n")


def rows_of(found, sequence: str, feature: str = "a") -> list[float]:
    return found.by_id()[sequence][feature]


def test_rows_become_sequences_ordered_by_time(write, ingest):
    path = write("rows.csv", "id,t,kind,a,b\nx,2,p,0.5,20\ny,1,q,0.5,50\nx,1,p,0.25,10\n" + REST_AB)
    found = ingest(path, data=LONG, split={"by": "order"})
    assert found.by_id()["x"] == {
        "sequence_id": [b"x"],
        "sequence_length": [2],
        "kind": [b"p"],
        "step_time": [1, 2],
        "a": [0.25, 0.5],
        "b": [10.0, 20.0],
    }
    assert rows_of(found, "y", "b") == [50.0]
    assert found.manifest["features"] == {"a": "float", "b": "float"}


def test_without_time_the_order_of_the_rows_holds(write, ingest):
    path = write("rows.csv", "id,kind,a\nx,p,3\ny,q,9\nx,p,1\nx,p,2\n")
    found = ingest(path, data={**LONG, "time": None}, split={"by": "order", "eval_fraction": 0.5})
    assert rows_of(found, "x") == [3, 1, 2]
    assert "step_time" not in found.by_id()["x"]


@pytest.mark.parametrize(
    ("texts", "expected", "times"),
    [
        (["1600000000123456800", "1600000000123456789"], [2, 1], [1600000000123456789, 1600000000123456800]),
        (["+2", "1"], [2, 1], [1, 2]),
        (["1.5", "-3"], [2, 1], [-3_000_000, 1_500_000]),  # millionths
        (["2020-01-01T02:30:00+02:00", "2020-01-01T00:31:00Z"], [1, 2], [1577838600 * US, 1577838660 * US]),
        (["2020-01-01T00:00:00.000000002", "2020-01-01"], [2, 1], [1577836800 * NS, 1577836800 * NS + 2]),
        (["2020-01-02", "2020-01-01"], [2, 1], [1577836800 * US, 1577923200 * US]),
    ],
)  # fmt: skip
def test_times_of_every_kind_order_the_steps(write, ingest, texts, expected, times):
    body = "".join(f"{i},{text},p,{1 + place}\n" for i in "xy" for place, text in enumerate(texts))
    found = ingest(
        write("rows.csv", "id,t,kind,a\n" + body), data=LONG, split={"by": "order", "eval_fraction": 0.5}
    )
    assert rows_of(found, "x") == expected
    assert found.by_id()["x"]["step_time"] == times


def test_an_empty_cell_and_the_usual_words_for_it_are_missing_values(write, ingest):
    path = write(
        "rows.csv",
        "id,t,kind,a\n"
        + "".join(f"x,{i},p,{v}\n" for i, v in enumerate(["", "NA", "null", "nan", " 4"]))
        + REST,
    )
    steps = rows_of(ingest(path, data=LONG, split={"by": "order"}), "x")
    np.testing.assert_array_equal(steps, [np.nan, np.nan, np.nan, np.nan, 4])


def test_kinds_are_inferred_and_kept_as_what_they_are(write, ingest):
    body = "".join(
        f"s{i},{['sun', 'moon'][i % 2]},{2**24 + 1 + i},a few words more {i},p\n" for i in range(30)
    )
    path = write("rows.csv", "id,day,big,note,kind\n" + body)
    found = ingest(path, data={"sequence_id": "id", "label": "kind"}, split={"by": "order"})
    assert found.manifest["features"] == {"day": "category", "big": "integer", "note": "text"}
    assert found.by_id()["s1"]["day"] == [b"moon"]
    assert found.by_id()["s1"]["big"] == [2**24 + 2]  # float32 would have made it 2**24 + 2 too, or less
    assert found.by_id()["s2"]["big"] == [2**24 + 3]
    assert found.by_id()["s1"]["note"] == [b"a few words more 1"]


def test_configured_kinds_hold_and_other_columns_are_left_out(write, ingest):
    path = write(
        "rows.csv", "id,t,kind,a,n,day,x\n" + "".join(f"s{i},1,p,1.5,{i},{i % 7},?\n" for i in range(5))
    )
    features = {"n": "integer", "day": "category", "a": "float"}
    found = ingest(path, data={**LONG, "features": features}, split={"by": "order"})
    row = found.by_id()["s3"]
    assert (row["n"], row["day"], row["a"]) == ([3], [b"3"], [1.5])
    assert "x" not in row
    assert not found.manifest["inferred"]


def test_slices_and_the_label_s_time_are_kept_beside_the_features(write, ingest):
    path = write(
        "rows.csv",
        "id,t,kind,a,site,known\n"
        + "".join(f"s{i},{t},p,1,here,{t + 5}\n" for i in range(5) for t in (1, 2)),
    )
    data = {**LONG, "slices": ["site"], "label_time": "known"}
    row = ingest(path, data=data, split={"by": "order"}).by_id()["s0"]
    assert (row["site"], row["label_time"], row["step_time"]) == ([b"here"], [7], [1, 2])


def test_rows_without_an_id_are_a_sequence_each(write, ingest):
    path = write("mails.csv", "kind,words\n" + "".join(f"spam,buy {i} of these now\n" for i in range(40)))
    found = ingest(path, data={"label": "kind"})
    assert found.by_id()["mails:3"]["words"] == [b"buy 2 of these now"]
    assert len(found.all) == 40


def test_gzip_and_several_files_with_columns_in_another_order_are_one_table(write, tmp_path, ingest):
    first = write("1.csv", "id,t,kind,a\nx,1,p,1\n")
    second = tmp_path / "2.csv.gz"
    second.write_bytes(gzip.compress(b"a,kind,t,id\n2,p,2,x\n3,q,1,y\n"))
    found = ingest([str(second), str(first)], data=LONG, split={"by": "order", "eval_fraction": 0.5})
    assert rows_of(found, "x") == [1, 2]
    assert rows_of(found, "y") == [3]


@pytest.mark.parametrize(
    ("content", "data"),
    [
        (
            "x 1 p  7 \ny\t1 q 8\n  z 1 q 9  \n",
            {"delimiter": "whitespace", "columns": ["id", "t", "kind", "a"]},
        ),
        ("x\t1\tp\t7\ny\t1\tq\t8\n", {"delimiter": "tab", "columns": ["id", "t", "kind", "a"]}),
        ("id;t;kind;a\nx;1;p;7\ny;1;q;8\n", {"delimiter": ";"}),
        ("\ufeffid,t,kind,a\r\nx,1,p,7\r\ny,1,q,8\r\n", {}),
        ("\n\nid,t,kind,a\nx,1,p,7\ny,1,q,8\n", {}),
        ("t,kind,a\nx,1,p,7\ny,1,q,8\n", {"columns": ["id", "t", "kind", "a"], "header": True}),
        ('id,t,kind,a\n"x","1","p","7"\ny,1,q,8\n', {}),
        ("id , t, kind, a\nx,1, p ,7\ny,1,q,8\n", {}),
    ],
)
def test_files_of_many_shapes_are_read_alike(write, ingest, content, data):
    path = write("rows.txt", content)
    found = ingest(
        path, data={**LONG, "format": "csv", **data}, split={"by": "order", "eval_fraction": 0.5}
    ).by_id()
    assert found["x"]["a"] == [7]
    assert (found["x"]["kind"], found["y"]["kind"], found["y"]["a"]) == ([b"p"], [b"q"], [8])


def test_quotation_marks_may_belong_to_the_text(write, ingest):
    path = write("sms.tsv", 'ham\t"Oh, he said\nspam\tWIN "now" or never"\nham\tan other one here\n')
    data = {"columns": ["kind", "words"], "quoted": False, "label": "kind", "features": {"words": "text"}}
    found = ingest(path, data=data, split={"by": "order", "eval_fraction": 0.4})
    assert [row["words"][0] for row in found.all] == [
        b'"Oh, he said',
        b'WIN "now" or never"',
        b"an other one here",
    ]


def test_every_bad_cell_is_named_with_file_line_column_and_text(write, refused):
    path = write("rows.csv", "id,t,kind,a,b\nx,0,p,1,7\nx,1,p,1,zwei\nx,zwölf,p,1,2\n,3,,1,2\n" + REST_AB)
    text = refused(path, data=LONG)
    for expected in (
        f"{path}, line 3, column b: expected a number, got 'zwei'",
        f"{path}, line 4, column t: expected a whole number, as in the first rows, got 'zwölf'",
        f"{path}, line 5, column id: expected a value on one line, got none",
        f"{path}, line 5, column kind: expected a class, got none",
    ):
        assert expected in text
    assert text.startswith("places that cannot be used: 4")


def test_lines_are_counted_as_an_editor_does(write, refused):
    path = write("rows.csv", 'id,t,kind,a\n\n\nx,1,"p",1\ny,1,q,"2\n"\nz,1,q,bad\n')
    assert "line 7, column a: expected a number, got 'bad'" in refused(path, data=LONG)


def test_problems_of_several_files_come_together_the_first_twenty_and_the_count(write, refused):
    write("a.csv", "id,t,kind,a\n" + "".join(f"x,{i},p,bad{i}\n" for i in range(15)) + "y,1,p,1\n")
    write("b.csv", "id,t,kind,a\nz,1,p,1\n" + "".join(f"z,{i},p,bad{i}\n" for i in range(2, 17)))
    path = write("c.csv", "id,t,kind,a\nw,2,p,1\nw,1,p,1,2,3\n")
    text = refused(str(path.parent / "*.csv"), data={**LONG, "features": {"a": "float"}})
    assert text.startswith("places that cannot be used: 31")
    assert text.count("expected a number") == 20
    assert "… and 11 more" in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "the file is empty"),
        ("id,t,kind,a\n", "expected rows after the header, got none"),
        ("\n\n", "expected a header and rows, got none"),
        ("id,t,kind,a,a\nx,1,p,1,2\n", "columns occur twice"),
        ("id,t,kind,a\nx,1,p,1\nx,1,p,1,5\nx,1,p\n", "line 3, expected 4 cells, got 5: 'x,1,p,1,5'"),
        ("id,t,kind,a\nx,1,p\nx,2,p\n", "expected 4 cells in a row, the first has 3"),
        ("t,kind,a\n7,x,1,p\n", "the header has 3 names, the first row 4 cells"),
        ("x,1,p,1\ny,1,q,2\n", "the first line holds values, not names"),
        ("id,t,a\nx,1,2\n", "'kind' is in the configuration; the file has id, t, a"),
        ("id,t,kind\nx,1,p\n", "to forecast a series from its own past, give that column a second time"),
        ("id,t,kind,sequence_length\nx,1,p,1\n", "'sequence_length': the name is taken"),
        ("id,t,kind,\nx,1,p,1\n", "'': the name is empty"),
        ("id,t,kind,a b,a.b\nx,1,p,1,2\n", "'a b' and 'a.b' would both be a_b in requests"),
        ('id,t,kind,a\nx,1,"p\nq",1\n', "line 2, column kind: expected a class"),
        ("id,t,kind,a\nx,1,NaN,1\n", "line 2, column kind: expected a class, got 'NaN'"),
        ("id,t,kind,a,w\n" + "".join(f"x,{i},p,1,u{i}\n" for i in range(30)), "column w: nearly every cell"),
        ("id,t,kind,a,d\nx,1,p,1,2020-01-01\n", "column d: it holds moments such as '2020-01-01'"),
        ("id,t,kind,a\nx,1,p,1\nx,2,q,1\n", "line 3, column kind: a sequence has one label; expected 'p'"),
        ("id,t,kind,a\nx,1,p,1\nx,1,p,2\n", "line 3, the sequence 'x' already has a step at this time"),
        ("id,t,kind,a\nx,soon,p,1\n", "column t holds no time"),
        (
            "id,t,kind,a\nx,2015-01-01,p,1\nx,2015-01-02,p,1\nx,5,p,1\n",
            "column t: expected an ISO 8601 timestamp without a time zone, as in the first rows, got '5'",
        ),
        (
            "id,t,kind,a\nx,2015-01-01 00:00:00,p,1\nx,2015-01-02 00:00:00,p,1\nx,2015-01-03 00:00:00Z,p,1\n",
            "line 4, column t: expected an ISO 8601 timestamp without a time zone",
        ),
        ("id,t,kind,a\nx,2015-01-01,p,1\nx,2015-01-02,p,1\nx,2015-02-30,p,1\n", "line 4, column t"),
        ("id,t,kind,a\nx,1.0,p,1\nx,2.5,p,2\nx,-inf,p,2\n", "column t: expected a finite number, got '-inf'"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_says_why(write, refused, content, expected):
    assert expected in refused(write("rows.csv", content), data=LONG)


def test_names_that_cannot_be_requested_are_refused_also_where_they_are_configured(write, refused):
    path = write("rows.csv", "id,t,kind,a b,a.b\nx,1,p,1,2\n")
    configured = {**LONG, "features": {"a b": "float", "a.b": "float"}}
    assert "'a b' and 'a.b' would both be a_b" in refused(path, data=configured)


def test_a_missing_whole_number_is_refused_with_the_remedy(write, refused):
    path = write("rows.csv", "id,t,kind,a\nx,1,p,5\nx,2,p,\n")
    text = refused(path, data={**LONG, "features": {"a": "integer"}})
    assert "line 3, column a: expected a whole number (kind float has missing values), got none" in text


def test_a_number_to_learn_must_be_one(write, refused):
    path = write("rows.csv", "id,t,y,a\nx,1,5,1\ny,1,,1\nz,1,inf,1\nw,1,high,1\n")
    text = refused(path, task="regression", data={**LONG, "label": "y"})
    for line, got in ((3, "none"), (4, "'inf'"), (5, "'high'")):
        assert f"line {line}, column y: expected a finite number, got {got}" in text


def test_names_must_be_as_many_as_cells(write, refused):
    path = write("rows.csv", "x,1,p,1\n")
    data = {**LONG, "columns": ["id", "t", "kind", "a", "b"]}
    assert "data.columns has 5 names, the first row 4 cells" in refused(path, data=data)


def test_a_file_with_other_columns_than_the_first_is_refused(write, refused):
    write("a.csv", "id,t,kind,a\nx,1,p,1\n")
    path = write("b.csv", "id,t,kind,b\nx,1,p,1\n")
    assert "b.csv: other columns than in" in refused(str(path.parent / "*.csv"), data=LONG)


@pytest.mark.parametrize("content", ["id,t,kind,ä\nx,1,p,1\n".encode("latin-1"), "id,t\n".encode("utf-16")])
def test_text_that_is_not_utf8_is_refused(tmp_path, refused, content):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    assert "expected UTF-8 text" in refused(path, data={**LONG, "features": {"\ufffd": "float"}})


def test_gzip_without_its_ending_is_refused(tmp_path, refused):
    path = tmp_path / "rows.csv"
    path.write_bytes(gzip.compress(b"id,t,kind,a\nx,1,p,1\n"))
    assert "name the file rows.csv.gz" in refused(path, data=LONG)


def test_a_truncated_gzip_is_refused(tmp_path, refused):
    path = tmp_path / "rows.csv.gz"
    random = np.random.default_rng(1).integers(10**6, size=400_000).tolist()
    whole = gzip.compress(b"id,t,kind,a\n" + b"".join(b"x,%d,p,%d\n" % pair for pair in enumerate(random)))
    path.write_bytes(whole[: len(whole) // 2])
    assert f"{path}: cannot be read as CSV" in refused(path, data=LONG)


def test_bad_rows_are_skipped_counted_and_listed_on_request(write, ingest):
    path = write(
        "rows.csv",
        "id,t,kind,a\nx,1,p,1\nx,2,p,zwei\nx,3,p\nx,4,p,4\nx,4,p,5\n,5,p,1\n" + REST,
    )
    found = ingest(path, data={**LONG, "on_bad_rows": "skip"}, split={"by": "order"})
    assert rows_of(found, "x") == [1, 4]
    rows = found.manifest["rows"]
    assert (rows["read"], rows["skipped"]) == (6 + 18, 4)
    assert rows["examples"] == [
        f"{path}, line 3, column a: expected a number, got 'zwei'",
        f"{path}, line 6, the sequence 'x' already has a step at this time; nothing orders the two",
        f"{path}, line 7, column id: expected a value on one line, got none",
        f"{path}, line 4, expected 4 cells, got 3: 'x,3,p'",
    ]


def test_skipping_rows_does_not_excuse_contradictions(write, refused):
    path = write("rows.csv", "id,t,kind,a\nx,1,p,1\nx,2,q,1\n")
    assert "a sequence has one label" in refused(path, data={**LONG, "on_bad_rows": "skip"})


@settings(max_examples=15, deadline=None)
@given(st.integers(4, 30), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_any_shuffled_table_equals_pandas_groupby(tmp_path_factory, ingest, rows, sequences, seed):
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "id": np.append([0, 1], random.integers(sequences, size=rows)).astype(str),
            "t": random.permutation(rows + 2),
            "a": random.normal(size=rows + 2).astype(np.float32),
        }
    )
    table["kind"] = "k" + table["id"]
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    table.to_csv(path, index=False)
    found = ingest(path, data=LONG, split={"by": "order", "eval_fraction": 0.5}).by_id()
    assert set(found) == set(table["id"])
    for name, row in found.items():
        expected = table[table["id"] == name].sort_values("t")
        assert row["kind"][0].decode() == expected["kind"].iloc[0]
        np.testing.assert_array_equal(np.float32(row["a"]), expected["a"].to_numpy())


def test_a_large_file_is_read_in_blocks_without_losing_a_row(tmp_path, ingest):
    rows = 1_200_000  # two blocks
    path = tmp_path / "rows.csv"
    frame = pd.DataFrame(
        {"id": np.arange(rows) % 1000, "t": np.arange(rows), "kind": "p", "a": np.arange(rows) % 97}
    )
    frame.to_csv(path, index=False)
    assert path.stat().st_size > _BLOCK_BYTES
    found = ingest(path, data=LONG, split={"by": "order"})
    assert found.manifest["rows"]["read"] == rows
    np.testing.assert_array_equal(found.by_id()["7"]["a"], np.arange(7, rows, 1000) % 97)


def test_a_time_with_a_fraction_keeps_it(write, ingest):
    rows = "".join(f"s{i},{1700000000.5 + i * 10 + j * 0.25},p,1\n" for i in range(4) for j in range(3))
    found = ingest(write("rows.csv", "id,t,kind,a\n" + rows), data=LONG, split={"by": "order"})
    assert found.by_id()["s0"]["step_time"] == [1700000000500000, 1700000000750000, 1700000001000000]
    assert found.manifest["splits"]["train"]["first_time"] == 1700000000.5


def test_a_number_beyond_float32_is_refused(write, refused):
    path = write("rows.csv", "id,t,kind,a\nx,1,p,1e39\nx,2,p,inf\n")
    text = refused(path, data=LONG)
    assert "line 2, column a: expected a number of less than 3.4e38, got '1e39'" in text
    assert text.startswith("places that cannot be used: 1")  # inf is what it says


def test_hexadecimal_is_no_whole_number_whatever_stands_beside_it(write, refused):
    for other in ("5", " 5"):
        path = write("rows.csv", f"id,t,kind,a\nx,1,p,0x1F\nx,2,p,{other}\n")
        text = refused(path, data={**LONG, "features": {"a": "integer"}})
        assert text.startswith("places that cannot be used: 1")
        assert "line 2, column a" in text


def test_a_quoted_header_after_a_byte_order_mark_is_read(tmp_path, ingest):
    path = tmp_path / "excel.csv"
    frame = pd.DataFrame({"id": ["x", "y, z"], "t": [1, 1], "kind": ["p", "q"], "a, b": [1.0, 2.0]})
    frame.to_csv(path, index=False, encoding="utf-8-sig", quoting=1)
    found = ingest(path, data=LONG, split={"by": "order", "eval_fraction": 0.5})
    assert found.by_id()["y, z"]["a, b"] == [2]


def test_a_file_is_taken_by_its_name_also_where_that_is_a_pattern(write, ingest):
    path = write("machine [1].csv", "id,t,kind,a\n" + REST)
    assert len(ingest(path, data=LONG, split={"by": "order"}).all) == 9


def test_numbers_in_the_names_of_files_count_by_their_value(tmp_path, ingest):
    for part in range(12):
        (tmp_path / f"part{part}.csv").write_text("kind,a\n" + f"p,{part}\n" * 5)
    data = {"label": "kind", "window": {"length": 2, "horizon": 0}}
    found = ingest(str(tmp_path / "*.csv"), data=data, split={"by": "order"})
    values = [value for row in (*found.train, *found.eval) for value in row["a"]]
    assert values == sorted(values)


@pytest.mark.parametrize("cell", ["36,5", "02.01.2023", "1/2/2023 05:00"])
def test_foreign_numbers_and_dates_are_asked_about(write, refused, cell):
    path = write("rows.csv", "id;t;kind;a\n" + "".join(f"x;{t};p;{cell}\n" for t in range(30)))
    assert "write them as 1.5 and 2015-02-04" in refused(path, data={**LONG, "delimiter": ";"})


def test_a_second_fault_does_not_hide_the_first(tmp_path, refused):
    rows = "".join(f"x,{i},p,{i}\n" for i in range(2000))
    path = tmp_path / "rows.csv"
    path.write_text("id,t,kind,a\nx,-1,p,bad\n" + rows + 'x,9999,p,1,"never closed\n' + "y,1,p,1\n" * 10)
    assert "line 2, column a: expected a number, got 'bad'" in refused(path, data=LONG)
