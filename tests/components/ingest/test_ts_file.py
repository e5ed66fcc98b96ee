"""The .ts reader, through ingest, against the text it reads and against plain Python."""

import gzip
from pathlib import Path

import numpy as np
import pytest

HEADER = "# a comment\n@problemName tiny\n@timeStamps false\n@classLabel true a b\n@data\n"
HALVES = {"split": {"by": "order", "eval_fraction": 0.5}}


@pytest.fixture
def cases(write, ingest):
    def read(body: str, header: str = HEADER, **changes: object):
        return ingest(write("tiny.ts", header + body), **{**HALVES, **changes}).by_id()

    return read


def test_cases_of_unequal_length_are_read_as_written(cases):
    assert cases("1,2,3:4,5,6:a\n7:8:b\n") == {
        "tiny:1": {
            "sequence_id": [b"tiny:1"],
            "sequence_length": [3],
            "label": [b"a"],
            "dim_0": [1, 2, 3],
            "dim_1": [4, 5, 6],
        },
        "tiny:2": {
            "sequence_id": [b"tiny:2"],
            "sequence_length": [1],
            "label": [b"b"],
            "dim_0": [7],
            "dim_1": [8],
        },
    }


def test_a_question_mark_is_a_missing_value(cases):
    np.testing.assert_array_equal(cases("1,?,3:a\n4:b\n")["tiny:1"]["dim_0"], [1, np.nan, 3])


def test_spaces_blank_lines_and_carriage_returns_do_not_matter(cases):
    found = cases("\r\n 1 , 2 : a \r\n\r\n3,4:b", HEADER.replace("\n", "\r\n"))
    assert [row["dim_0"] for row in found.values()] == [[1, 2], [3, 4]]
    assert [row["label"] for row in found.values()] == [[b"a"], [b"b"]]


def test_a_plus_sign_belongs_to_a_number(cases):
    assert cases("+1,+2.5e+1,+inf:a\n1:b\n")["tiny:1"]["dim_0"] == [1, 25, np.inf]


def test_timestamps_order_the_steps(cases):
    header = HEADER.replace("Stamps false", "Stamps true")
    body = (
        "(2020-01-01 00:02:00,2),(2020-01-01 00:01:00,1):(2020-01-01 00:02:00,20),(2020-01-01 00:01:00,?):a\n"
    )
    found = cases(body + body.replace(":a", ":b"), header)["tiny:1"]
    assert found["dim_0"] == [1, 2]
    np.testing.assert_array_equal(found["dim_1"], [np.nan, 20])
    assert np.diff(found["step_time"]).tolist() == [60 * 10**6]


def test_timestamps_may_be_numbers_and_split_by_time(write, ingest):
    header = HEADER.replace("Stamps false", "Stamps true")
    path = write("tiny.ts", header + "(0,1),(1,2):a\n(5,3),(6,4):b\n(1,3),(5,4):b\n")
    found = ingest(path, split={"by": "time", "cutoff": 5})
    assert [row["dim_0"] for row in found.train] == [[1, 2]]
    assert [row["dim_0"] for row in found.eval] == [[3, 4]]
    assert found.manifest["left_out"] == {"reach across the cutoff": 1}


def test_a_target_is_a_number_to_learn(cases):
    header = HEADER.replace("@classLabel true a b", "@targetlabel true")
    assert cases("1,2:0.5\n3:-7\n", header, task="regression")["tiny:2"]["label"] == [-7]


def test_windows_are_cut_from_every_case_by_itself(write, ingest):
    path = write("tiny.ts", HEADER + "1,2,3,4:a\n5,6,7:b\n")
    found = ingest(
        path, data={"window": {"length": 2, "horizon": 0}}, split={"by": "order", "eval_fraction": 0.5}
    )
    assert [(row["series_id"], row["dim_0"]) for row in found.train] == [([b"tiny:1"], [1, 2])]
    assert [row["dim_0"] for row in found.eval] == [[3, 4], [6, 7]]


def test_gzip_is_unpacked_and_a_half_of_it_refused(tmp_path, ingest, refused):
    whole = gzip.compress((HEADER + "1,2:a\n" * 400).encode())
    path = tmp_path / "tiny.ts.gz"
    path.write_bytes(whole)
    assert "tiny:400" in ingest(path, **HALVES).by_id()
    path.write_bytes(whole[: len(whole) // 2])
    assert "cannot be unpacked" in refused(path, **HALVES)


def test_comments_need_not_be_utf8(tmp_path, ingest):
    path = tmp_path / "latin.ts"
    path.write_bytes("# Université\n".encode("latin-1") + HEADER.encode() + b"1:a\n2:b\n")
    assert len(ingest(path, **HALVES).all) == 2


def test_every_unreadable_place_is_named_with_line_and_text(write, refused):
    path = write("tiny.ts", HEADER + "1,2:3,4:a\n1,x:3,4:a\n\n1,2:3,4,5:b\n1,2:3,4:\n1:2:3:a\n1:2:c\n")
    text = refused(path, **HALVES)
    assert text.startswith("places that cannot be used: 5")
    for expected in (
        f"{path}, line 7, dimension 0: expected a number, got 'x'",
        "line 9, expected dimensions of one length, got 2 to 3 steps",
        "line 10, expected a label after the last colon, got none",
        "line 11, expected 2 dimensions and a label, got 4 parts",
        "line 12, expected one of the classes in @classLabel, got 'c'",
    ):
        assert expected in text


def test_only_the_first_twenty_problems_are_listed_and_the_rest_counted(write, refused):
    text = refused(write("tiny.ts", HEADER + "x:a\n" * 25), **HALVES)
    assert text.startswith("places that cannot be used: 25")
    assert text.count("expected a number") == 20
    assert "… and 5 more" in text


def test_bad_cases_are_skipped_on_request(write, ingest):
    path = write("tiny.ts", HEADER + "1,2:a\n1,x:a\n3:4:a\n5,6:b\n")
    found = ingest(path, data={"on_bad_rows": "skip"}, **HALVES)
    assert sorted(found.by_id()) == ["tiny:1", "tiny:4"]
    assert found.manifest["rows"]["skipped"] == 2


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [
        ("1:a\n", "@classLabel true a\n", "expected a line @data"),
        ("", HEADER, "expected at least one case"),
        ("1:a\n1:b\n", HEADER.replace("Label true", "Label false"), "the cases have no label"),
        ("1,2:3,4\n", "@dimensions 2\n" + HEADER, "line 7, expected 2 dimensions and a label, got 2 parts"),
        ("(1,2):(2,2):a\n(1,2):(1,2):a\n", HEADER.replace("false", "true"), "line 6, expected the same"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_says_why(write, refused, body, header, expected):
    assert expected in refused(write("tiny.ts", header + body), **HALVES)


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path, ingest):
    for folder in ("train", "test"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.ts").write_text(HEADER + "1:a\n")
    found = ingest({"train": [str(tmp_path / "train/x.ts")], "eval": [str(tmp_path / "test/x.ts")]})
    assert sorted(found.by_id()) == ["test/x:1", "train/x:1"]


def test_one_file_in_both_splits_is_refused(write, refused):
    path = str(write("same.ts", HEADER + "1:a\n"))
    assert "files are in both splits" in refused({"train": [path], "eval": [path]})


def test_other_dimensions_in_eval_are_refused(write, refused):
    train, evaluation = write("train.ts", HEADER + "1:a\n"), write("eval.ts", HEADER + "1:2:a\n")
    assert "other columns than in" in refused({"train": [str(train)], "eval": [str(evaluation)]})


def test_real_recordings_equal_a_plain_python_reading(shared_data, ingest):
    folder = shared_data("japanese_vowels")
    source = {
        name: [str(folder / f"JapaneseVowels_{file}.ts")]
        for name, file in (("train", "TRAIN"), ("eval", "TEST"))
    }
    found = ingest(source)
    assert (len(found.train), len(found.eval)) == (270, 370)
    lines = Path(source["eval"][0]).read_text().split("@data\n")[1].splitlines()
    by_id = found.by_id()
    for position in (0, 17, 369):
        *dimensions, label = lines[position].split(":")
        row = by_id[f"JapaneseVowels_TEST:{position + 1}"]
        assert row["label"] == [label.strip().encode()]
        for number, text in enumerate(dimensions):
            np.testing.assert_array_equal(
                np.float32(row[f"dim_{number}"]), np.array(text.split(","), np.float32)
            )
