"""The .ts reader against the text it reads and against plain Python."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.ingest.ts_file import read_ts
from pipeline.errors import DataRefused

HEADER = "# a comment\n@problemName tiny\n@timeStamps false\n@classLabel true a b\n@data\n"


def read_text(write: Callable[[str, str], Path], body: str, header: str = HEADER):
    return read_ts(write("tiny.ts", header + body))


def test_cases_of_unequal_length_are_read_as_written(write):
    found = read_text(write, "1,2,3:4,5,6:a\n7:8:b\n")
    assert found.ids.to_pylist() == ["tiny:1", "tiny:2"]
    assert found.labels.to_pylist() == ["a", "b"]
    assert found.features["dim_0"].to_pylist() == [[1, 2, 3], [7]]
    assert found.features["dim_1"].to_pylist() == [[4, 5, 6], [8]]
    assert found.lengths.tolist() == [3, 1]


def test_a_question_mark_is_a_missing_value(write):
    steps = read_text(write, "1,?,3:a\n").features["dim_0"][0].as_py()
    assert np.isnan(steps[1])
    assert (steps[0], steps[2]) == (1, 3)


def test_spaces_blank_lines_and_carriage_returns_do_not_matter(write):
    found = read_text(write, "\r\n 1 , 2 : a \r\n\r\n3,4:b", HEADER.replace("\n", "\r\n"))
    assert found.features["dim_0"].to_pylist() == [[1, 2], [3, 4]]
    assert found.labels.to_pylist() == ["a", "b"]


def test_a_plus_sign_belongs_to_a_number(write):
    assert read_text(write, "+1,+2.5e+1,+inf:a\n").features["dim_0"].to_pylist() == [[1, 25, np.inf]]


def test_gzip_is_unpacked_and_a_half_of_it_refused(tmp_path):
    whole = gzip.compress((HEADER + "1,2:a\n" * 400).encode())
    path = tmp_path / "tiny.ts.gz"
    path.write_bytes(whole)
    assert read_ts(path).ids[399].as_py() == "tiny:400"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataRefused, match="cannot be unpacked"):
        read_ts(path)


def test_comments_need_not_be_utf8(tmp_path):
    path = tmp_path / "latin.ts"
    path.write_bytes("# Université\n".encode("latin-1") + HEADER.encode() + b"1:a\n")
    assert len(read_ts(path)) == 1


def test_every_unreadable_place_is_named_with_line_and_text(write):
    with pytest.raises(DataRefused) as caught:
        read_text(write, "1,2:3,4:a\n1,x:3,4:a\n1,2:3,4,5:b\n1,2:3,4:\n")
    assert caught.value.exit_code == 3
    assert caught.value.problems == (
        "line 7, dimension 0: expected a number, got 'x'",
        "line 9: expected a label after the last colon, got none",
        "line 8: expected dimensions of one length, got 2 to 3 steps",
    )


def test_only_the_first_twenty_problems_are_listed_and_the_rest_counted(write):
    with pytest.raises(DataRefused, match="places that cannot be read: 25") as caught:
        read_text(write, "x:a\n" * 25)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1] == "… and 5 more"


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [
        ("1:a\n", "@classLabel true a\n", "expected a line @data"),
        ("", HEADER, "expected at least one case"),
        ("1:a\n", HEADER.replace("Stamps false", "Stamps true"), "time stamps are not available yet"),
        ("1:a\n", HEADER.replace("Label true", "Label false"), "nothing to learn without"),
        ("1:2:a\n1:a\n1:2:b\n", HEADER, "line 7: expected 2 dimensions and a label, got 2 parts"),
        ("1:a\n1:c\n", HEADER, "line 7: expected one of the classes in @classLabel, got 'c'"),
        ("1,2:3,4\n", "@dimensions 2\n" + HEADER, "line 7: expected 2 dimensions and a label, got 2 parts"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(write, body, header, expected):
    with pytest.raises(DataRefused) as caught:
        read_text(write, body, header)
    assert expected in str(caught.value)


def test_real_recordings_equal_a_plain_python_reading(shared_data):
    path = shared_data("japanese_vowels") / "JapaneseVowels_TEST.ts"
    lines = path.read_text().split("@data\n")[1].splitlines()
    found = read_ts(path)
    assert len(found) == 370
    assert (found.lengths.min(), found.lengths.max()) == (7, 29)
    for position in (0, 17, 369):
        *dimensions, label = lines[position].split(":")
        assert found.labels[position].as_py() == label.strip()
        for number, text in enumerate(dimensions):
            expected = np.array(text.split(","), np.float32)
            np.testing.assert_array_equal(found.features[f"dim_{number}"][position].as_py(), expected)
