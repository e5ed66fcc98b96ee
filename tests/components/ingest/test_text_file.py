"""Plain text through ingest: each character a step."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest.text_file import BETWEEN, _words

DATA = {"format": "text", "window": {"length": 4, "stride": 4}}


def test_a_text_is_cut_into_windows_of_characters_blanks_and_line_breaks_included(write, ingest):
    path = write("play.txt", "To be, or\nnot to be …")
    found = ingest(path, task="generation", data=DATA, split={"by": "order", "eval_fraction": 0.4})
    texts = [b"".join(row["text"]).decode() for row in found.all]
    assert texts == [
        "To b",
        "e, o",
        "r\nno",
        " be ",
    ]  # "t to" would reach across the cutoff, " …" is no window
    assert (len(found.train), found.manifest["left_out"]) == (3, {"reach across the cutoff": 1})
    assert found.train[1]["series_id"] == [b"play"]
    assert found.train[1]["window_start"] == [4]
    assert "label" not in found.train[0]


def test_a_text_may_be_cut_into_words_and_marks_with_the_blank_before_them(write, ingest):
    text = "To be, or  not\nto be: that's it … é 12\n"
    words = ["To", " be", ",", " or", " ", " not", "\n", "to", " be", ":", " that", "'", "s", " it", " …"]
    words += [" é", " 12", "\n"]
    found = ingest(
        write("play.txt", text),
        task="generation",
        data={
            "format": "text",
            "tokens": "words",
            "features": {"text": "category"},
            "window": {"length": 3, "stride": 3},
        },
        split={"by": "order", "eval_fraction": 0.33},
    )
    windows = [[word.decode() for word in row["text"]] for row in found.all]
    assert windows == [words[at : at + 3] for at in range(0, 18, 3)]
    assert "".join(word for window in windows for word in window) == text
    assert [row["window_start"] for row in found.all] == [[at] for at in range(0, 18, 3)]
    assert [len(found.train), len(found.eval)] == [4, 2]


@settings(deadline=None, max_examples=200)
@given(st.text(min_size=1).filter(lambda text: BETWEEN not in text))
def test_words_joined_are_the_text_again(text):
    words = _words(text).to_pylist()
    assert "".join(words) == text
    assert all(words)


@pytest.mark.parametrize("tokens", ["words", "characters"])
def test_a_text_with_numbers_and_words_for_nothing_is_text(write, ingest, tokens):
    text = "Act 1: none, nan or null?\n" * 4
    found = ingest(
        write("play.txt", text),
        task="generation",
        data={**DATA, "tokens": tokens},
        split={"by": "order", "eval_fraction": 0.33},
    )
    assert text.startswith(b"".join(one for row in found.train for one in row["text"]).decode())


def test_several_texts_are_several_series(tmp_path, ingest):
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt.gz").write_bytes(gzip.compress(f"{name} little text".encode()))
    found = ingest(
        [str(tmp_path / "*.gz")], task="generation", data=DATA, split={"by": "order", "eval_fraction": 0.5}
    )
    assert {row["series_id"][0] for row in found.all} == {b"one", b"two"}


def test_what_is_no_text_is_refused(tmp_path, refused):
    for content, expected in ((b"", "the file is empty"), (b"\xff\xfe\x00", "expected UTF-8 text")):
        path = tmp_path / "x.txt"
        path.write_bytes(content)
        assert expected in refused(path, task="generation", data=DATA)


def test_a_real_text_arrives_character_by_character(shared_data, ingest):
    path = shared_data("tinyshakespeare") / "input.txt"
    window = {"length": 100, "stride": 100}
    found = ingest(
        path,
        task="generation",
        data={"format": "text", "window": window},
        split={"by": "order", "eval_fraction": 0.1},
    )
    text = path.read_text(encoding="utf-8")
    by_start = {row["window_start"][0]: b"".join(row["text"]).decode() for row in found.all}
    assert all(text[start : start + 100] == window for start, window in by_start.items())
    assert len(by_start) == len(text) // 100 - found.manifest["left_out"]["reach across the cutoff"]
    last_train = max(row["window_start"][0] for row in found.train) + 99
    assert last_train < len(text) - round(len(text) / 10) <= min(row["window_start"][0] for row in found.eval)
