"""Hints in error messages."""

import difflib
from collections.abc import Sequence


def on_one_line(text: str) -> str:
    """Text without what would break a line or move the cursor: a run of such characters becomes a blank."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint at what was meant: the closest known word, else all of them."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else f" (known here: {', '.join(known)})" if known else ""
