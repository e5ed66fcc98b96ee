"""Hints in error messages."""

import difflib
from collections.abc import Sequence


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint at what was meant: the closest known word, else all of them."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else f" (known here: {', '.join(known)})" if known else ""
