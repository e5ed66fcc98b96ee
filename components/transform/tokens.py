"""Text as tokens, in TensorFlow ops: the same graph cuts the training text and the text of a request."""

import re

import tensorflow as tf

from components.ingest.text_file import PIECE

PADDING, UNKNOWN = 0, 1  # ids that stand for no token
FIRST_TOKEN = 2  # the id of the vocabulary's first token

_BETWEEN = b"\xff"  # stands between pieces while they are cut; valid UTF-8 has no such byte
_TAG_OR_BLANK = r"</?[a-zA-Z][^<>]*>|\pZ"  # also blanks that RE2's \s does not know, such as U+00A0
_NUL = r"\x00"  # lower() would end the text here
_INNER_APOSTROPHE = r"(\pL)['’](\pL)"
_LONG_NUMBER = r"\pN{5,}"
_WORD = r"([\pL\pM]+|\pN+|[^\s\pL\pM\pN])"
_ESCAPED = {"n": "\n", "r": "\r"}


def words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Words, numbers and marks of text that is to be understood, [texts, (words)].

    Lower case; `don't` is `dont`; each other mark is a word; markup tags such as `<br />` are left
    out, and numbers of five digits and more are one word, `00000`, for hardly one occurs twice.

    Args:
      texts: [texts] UTF-8; bytes that are none are replaced.
    """
    found = tf.strings.lower(tf.strings.regex_replace(_valid(texts), _NUL, " "), encoding="utf-8")
    for pattern, replacement in (
        (_TAG_OR_BLANK, " "),
        (_INNER_APOSTROPHE, r"\1\2"),
        (_LONG_NUMBER, "00000"),
        (_WORD, r" \1 "),
    ):
        found = tf.strings.regex_replace(found, pattern, replacement)
    return tf.strings.split(found)


def pieces(texts: tf.Tensor) -> tf.RaggedTensor:
    """Words and marks with the blank before them, [texts, (pieces)]; joined they are the text again."""
    marked = tf.strings.regex_replace(_valid(texts), PIECE, rb"\1" + _BETWEEN)
    return _without_empty(tf.strings.split(marked, _BETWEEN))


def characters(texts: tf.Tensor) -> tf.RaggedTensor:
    """The characters of texts, [texts, (characters)]."""
    return tf.strings.unicode_split(texts, "UTF-8")


def on_one_line(tokens: tf.Tensor) -> tf.Tensor:
    """Tokens as a vocabulary file can hold them, one a line; `of_one_line` turns them back."""
    for character, escaped in (("\\\\", r"\\\\"), ("\n", r"\\n"), ("\r", r"\\r")):
        tokens = tf.strings.regex_replace(tokens, character, escaped)
    return tokens


def of_one_line(token: str) -> str:
    """The token that a line of a vocabulary file stands for."""
    return re.sub(r"\\([\\nr])", lambda found: _ESCAPED.get(found[1], found[1]), token)


def _valid(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


def _without_empty(tokens: tf.RaggedTensor) -> tf.RaggedTensor:
    return tf.ragged.boolean_mask(tokens, tf.not_equal(tokens, ""))
