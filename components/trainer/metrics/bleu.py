"""BLEU: how many n-grams a continuation shares with the text that really followed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

_ORDERS = 4  # n-grams of 1 to 4 tokens
_Integers = npt.NDArray[np.int64]


def _no_counts() -> _Integers:
    return np.zeros(_ORDERS, np.int64)


@dataclass(frozen=True)
class Overlap:
    """Counts over texts, from which BLEU is computed.

    Attributes:
      matches: n-grams of the continuations that the references hold as well, for n of 1 to 4, [4]; one
        that occurs more often than in its reference counts as often as there.
      total: n-grams of the continuations, [4].
      tokens: of the continuations.
      reference_tokens: of the references.
    """

    matches: _Integers = field(default_factory=_no_counts)
    total: _Integers = field(default_factory=_no_counts)
    tokens: int = 0
    reference_tokens: int = 0

    def __add__(self, other: "Overlap") -> "Overlap":
        return Overlap(
            self.matches + other.matches,
            self.total + other.total,
            self.tokens + other.tokens,
            self.reference_tokens + other.reference_tokens,
        )

    def bleu(self) -> float:
        """BLEU of all texts together, 0 to 100, with brevity penalty; NaN without references.

        Papineni et al., BLEU: a Method for Automatic Evaluation of Machine Translation, 2002,
        https://aclanthology.org/P02-1040/. Orders without a match are smoothed as in NIST's mteval and by
        default in sacrebleu: the k-th of them counts as 1 / 2^k matches. It is 0 where no continuation
        has four tokens.
        """
        if not self.reference_tokens:
            return math.nan
        if not self.matches.any() or not self.total.all():
            return 0.0
        missing = self.matches == 0
        matches = np.where(missing, 0.5 ** np.cumsum(missing), self.matches)
        brevity = min(0.0, 1 - self.reference_tokens / self.tokens)
        return float(100 * np.exp(brevity + np.log(matches / self.total).mean()))


def overlap(continuations: Sequence[Any], references: Sequence[Any]) -> Overlap:
    """Counts the n-grams of texts, each [n] token ids with 0 as padding on the right."""
    tokens = padded([*continuations, *references])
    half = len(continuations)
    text = np.tile(np.arange(half), 2)[:, None]
    ngrams = places = _numbered(tokens)
    matches, total = _no_counts(), _no_counts()
    for order in range(min(_ORDERS, tokens.shape[1])):
        if order:  # an n-gram is numbered by the one before its last token, and that token
            ngrams = _numbered(ngrams[:, :-1] * (places.max() + 1) + places[:, order:])
        real = tokens[:, order:] != 0
        keys = text * (ngrams.max(initial=0) + 1) + ngrams
        matches[order] = _shared(keys[:half][real[:half]], keys[half:][real[half:]])
        total[order] = real[:half].sum()
    lengths = (tokens != 0).sum(axis=1)
    return Overlap(matches, total, int(lengths[:half].sum()), int(lengths[half:].sum()))


def padded(rows: Sequence[Any]) -> _Integers:
    """Rows of any lengths as one array, with 0 behind the shorter ones."""
    flat = [np.ravel(row) for row in rows]
    padded = np.zeros((len(flat), max(map(len, flat))), np.int64)
    for place, row in enumerate(flat):
        padded[place, : len(row)] = row
    return padded


def _numbered(values: _Integers) -> _Integers:
    return np.unique(values, return_inverse=True)[1].reshape(values.shape)


def _shared(one: _Integers, other: _Integers) -> int:
    """How many values both hold, each as often as it occurs in both."""
    values, counts = np.unique(one, return_counts=True)
    others, other_counts = np.unique(other, return_counts=True)
    _, at, other_at = np.intersect1d(values, others, assume_unique=True, return_indices=True)
    return int(np.minimum(counts[at], other_counts[other_at]).sum())
