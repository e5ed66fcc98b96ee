"""Text as tokens: what is cut where, and that nothing is lost on the way."""

import unicodedata

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest.text_file import _words as words_of_a_file
from components.transform import tokens

# Letters, marks and blanks of several scripts that every version of Unicode in use knows; Arrow's and
# TensorFlow's RE2 are of different years and disagree on a few thousand characters added since 2020.
OLD = [
    chr(code)
    for code in [*range(0x250), *range(0x370, 0x560), *range(0x2000, 0x206F), *range(0x3040, 0x3100)]
]
OLD = [one for one in OLD if unicodedata.category(one) != "Cn" and one != "\x1f"]
OLD += ["\N{COMBINING ACUTE ACCENT}", "\N{GRINNING FACE}", "\N{ZERO WIDTH JOINER}", "中", "क", "ि"]
NEAR = [
    "a",
    "B",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "é",
    "e\N{COMBINING ACUTE ACCENT}",
    "don't",
    "12345",
    ".",
    "…",
]
NEAR += ["\\", "\\n", "\u00a0", "\v", "\x1f", "\x00", "\ufeff", "�", "<br />", "中文"]
SOME_TEXTS = st.lists(st.one_of(st.text(), st.lists(st.sampled_from(NEAR)).map("".join)), max_size=5)


def texts_of(cut: tf.RaggedTensor) -> list[list[str]]:
    return [[one.decode() for one in row] for row in cut.to_list()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A good Film, really!", ["a", "good", "film", ",", "really", "!"]),
        ("I don't; I can’t", ["i", "dont", ";", "i", "cant"]),
        ("'quoted' words' end", ["'", "quoted", "'", "words", "'", "end"]),
        ("one<br /><br>two <i>three</i>", ["one", "two", "three"]),
        ("3 < 4 > 2", ["3", "<", "4", ">", "2"]),
        ("I <3 it", ["i", "<", "3", "it"]),
        ("1234 12345 2^40=1099511627776", ["1234", "00000", "2", "^", "40", "=", "00000"]),
        ("a1b22", ["a", "1", "b", "22"]),
        ("...", [".", ".", "."]),
        ("ÜBER straße ÉCOLE ΣΊΓΜΑ", ["über", "straße", "école", "σίγμα"]),
        ("e\u0301tude", ["e\u0301tude"]),  # a letter and its accent are not torn apart
        ("中文 😀", ["中文", "😀"]),
        ("a\u00a0b\u2003c\u3000d\te\r\nf\vg", ["a", "b", "c", "d", "e", "f", "g"]),
        (" \n\u00a0", []),
        ("", []),
    ],
)
def test_words_are_letters_numbers_and_single_marks(text, expected):
    assert texts_of(tokens.words(tf.constant([text]))) == [expected]


@settings(deadline=None, max_examples=200)
@given(SOME_TEXTS)
def test_no_word_is_empty_or_holds_a_blank(texts):
    found = texts_of(tokens.words(tf.constant(texts, tf.string)))
    assert len(found) == len(texts)
    for row in found:
        assert all(
            word and not any(unicodedata.category(one).startswith("Z") for one in word) for word in row
        )
        assert not any(set(word) & set(" \t\n\v\f\r") for word in row)


@settings(deadline=None, max_examples=100)
@given(st.text(st.sampled_from(OLD)))
def test_words_of_words_are_the_same_words(text):
    (once,) = texts_of(tokens.words(tf.constant([text])))
    apart = [one for one in once if one not in "'’<>"]  # these four can join or drop what is beside them
    assert texts_of(tokens.words(tf.constant([" ".join(apart)]))) == [apart]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("To be, or\nnot", ["To", " be", ",", " or", "\n", "not"]),
        ("  two  blanks ", [" ", " two", " ", " blanks", " "]),
        ("Well... 12 don't", ["Well", "...", " 12", " don", "'", "t"]),
        ("a\x1fb", ["a", "\x1f", "b"]),
        ("", []),
    ],
)
def test_pieces_are_words_and_marks_with_the_blank_before_them(text, expected):
    assert texts_of(tokens.pieces(tf.constant([text]))) == [expected]


@settings(deadline=None, max_examples=200)
@given(SOME_TEXTS)
def test_pieces_and_characters_joined_are_the_text_again(texts):
    for cut in (tokens.pieces, tokens.characters):
        found = texts_of(cut(tf.constant(texts, tf.string)))
        assert ["".join(row) for row in found] == texts
        assert all(piece for row in found for piece in row)


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.text(st.sampled_from(OLD)), st.lists(st.sampled_from(NEAR)).map("".join)))
def test_a_prompt_is_cut_as_ingest_cut_the_file(text):
    text = text.replace("\x1f", "")
    (found,) = texts_of(tokens.pieces(tf.constant([text])))
    assert found == words_of_a_file(text).to_pylist()


def test_characters_are_code_points():
    assert texts_of(tokens.characters(tf.constant(["aé\n😀", ""]))) == [["a", "é", "\n", "😀"], []]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.one_of(st.text(), st.lists(st.sampled_from(["\\", "n", "r", "\n", "\r"])).map("".join))))
def test_a_token_on_one_line_can_be_told_from_every_other_and_turned_back(texts):
    lines = [one.decode() for one in tokens.on_one_line(tf.constant(texts, tf.string)).numpy()]
    assert not any("\n" in line or "\r" in line for line in lines)
    assert [tokens.of_one_line(line) for line in lines] == texts


def test_a_line_that_is_no_escape_stays_as_it_is():
    assert tokens.of_one_line(r"\t \q a") == r"\t \q a"


@pytest.mark.parametrize("cut", [tokens.words, tokens.pieces, tokens.characters])
def test_bytes_that_are_no_utf_8_are_replaced(cut):
    (found,) = texts_of(cut(tf.constant([b"a\xffb"])))
    assert found == ["a", "\ufffd", "b"]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(), max_size=4))
def test_no_bytes_crash_and_every_token_is_utf_8(contents):
    for cut in (tokens.words, tokens.pieces, tokens.characters):
        assert len(texts_of(cut(tf.constant(contents, tf.string)))) == len(contents)


def test_no_text_at_all_is_no_row():
    for cut in (tokens.words, tokens.pieces, tokens.characters):
        assert cut(tf.constant([], tf.string)).to_list() == []


def test_text_behind_a_nul_is_read():
    assert tokens.words(tf.constant(["good\x00bad \x00 film"])).to_list() == [[b"good", b"bad", b"film"]]
