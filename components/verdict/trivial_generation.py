"""Trivial models that a GRU must beat: they say the next step by the last one, or by none."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.transform.tokens import FIRST_TOKEN, PADDING
from components.verdict.trivial import Steps

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """How often a token followed another one.

    Attributes:
      ids: of the vocabulary, padding and unknown included.
      keys: [P] `first * ids + second` of each pair that occurs, ascending.
      counts: [P] how often it does.
    """

    ids: int
    keys: _Integers
    counts: _Integers

    def __add__(self, other: "Pairs") -> "Pairs":
        keys, place = np.unique(np.concatenate([self.keys, other.keys]), return_inverse=True)
        counts = np.zeros(len(keys), np.int64)
        np.add.at(counts, place, np.concatenate([self.counts, other.counts]))
        return Pairs(self.ids, keys, counts)


def no_pairs(ids: int) -> Pairs:
    """Pairs of no token."""
    return Pairs(ids, np.zeros(0, np.int64), np.zeros(0, np.int64))


def pairs(steps: Steps, ids: int) -> Pairs:
    """The pairs of tokens that stand beside each other in the sequences of one feature of tokens."""
    before, after = _before_and_after(steps)
    return Pairs(ids, *np.unique(before * ids + after, return_counts=True))


def _before_and_after(steps: Steps) -> tuple[_Integers, _Integers]:
    """Every token but the first of each sequence, and the one before it."""
    ids = steps.tokens[:, 0].astype(np.int64)
    return ids[steps.following - 1], ids[steps.following]


class TokenModel:
    """Probabilities of tokens by the one before, or by their frequency where no pair is known.

    p(w | h) = (c(h, w) + T(h) p(w)) / (c(h) + T(h)), where T(h) is how many different tokens followed
    h: Witten & Bell, The Zero-Frequency Problem, 1991, https://doi.org/10.1109/18.87000, as Chen &
    Goodman, An Empirical Study of Smoothing Techniques for Language Modeling, 1998, interpolate it.
    p(w) is the frequency of w, each id but padding counted once more.

    Args:
      known: pairs whose second tokens are counted for the frequencies.
      pairs: of which the next token is told; none for the frequencies alone.
    """

    def __init__(self, known: Pairs, pairs: Pairs) -> None:
        self._pairs = pairs
        often = np.bincount(known.keys % known.ids, known.counts, known.ids) + 1
        often[PADDING] = 0
        self._alone = often / often.sum()
        self._after = np.bincount(pairs.keys // pairs.ids, pairs.counts, pairs.ids)
        self._different = np.bincount(pairs.keys // pairs.ids, minlength=pairs.ids)
        self.likeliest = self._likeliest()

    def probability(self, before: _Integers, token: _Integers) -> _Floats:
        """That `token` follows `before`, both [n] ids."""
        alone, different = self._alone[token], self._different[before]
        together = self._after[before] + different
        seen = self._seen(before, token) + different * alone
        return np.asarray(np.where(together > 0, seen / np.maximum(together, 1), alone), np.float64)

    def _seen(self, before: _Integers, token: _Integers) -> _Integers:
        keys = before * self._pairs.ids + token
        place = np.searchsorted(self._pairs.keys, keys)
        found = np.append(self._pairs.keys, -1)[place] == keys
        return np.where(found, np.append(self._pairs.counts, 0)[place], 0)

    def _likeliest(self) -> _Integers:
        """After each id the likeliest known token, of equal ones the first, [ids].

        It is one that was seen there, or the most frequent one of all.
        """
        ids = self._pairs.ids
        if ids <= FIRST_TOKEN:
            return np.zeros(ids, np.int64)
        before, token = self._pairs.keys // ids, self._pairs.keys % ids
        known = token >= FIRST_TOKEN
        top = FIRST_TOKEN + int(self._alone[FIRST_TOKEN:].argmax())
        before = np.concatenate([before[known], np.arange(ids)])
        token = np.concatenate([token[known], np.full(ids, top)])
        order = np.lexsort((token, -self.probability(before, token), before))
        _, best = np.unique(before[order], return_index=True)
        return np.asarray(token[order][best], np.int64)


def token_models(known: Pairs) -> dict[str, TokenModel]:
    """Trivial models of the next token: `token_frequencies`, and `bigram`, which sees the last token."""
    return {"token_frequencies": TokenModel(known, no_pairs(known.ids)), "bigram": TokenModel(known, known)}


def judged_tokens(model: TokenModel, steps: Steps, continued: int) -> dict[str, npt.NDArray[Any]]:
    """What the metrics of generation are computed from, of N sequences; see `TokenAnswer.judged`.

    Args:
      model: that is asked.
      steps: of one feature of tokens.
      continued: tokens at most of a continuation.
    """
    before, after = _before_and_after(steps)
    sequence, count = steps.sequence[steps.following], len(steps.lengths)
    likelihood = np.log(model.probability(before, after))
    half = (steps.lengths + 1) // 2
    told = np.minimum(steps.lengths - half, continued)
    inside = np.arange(told.max(initial=0)) < told[:, None]
    ids = np.append(steps.tokens[:, 0].astype(np.int64), PADDING)  # one more, for sequences at the end
    places = (steps.starts + half)[:, None] + np.arange(inside.shape[1])
    now = ids[np.maximum(steps.starts + half - 1, 0)]
    continuation = np.zeros(inside.shape, np.int64)
    for place in range(inside.shape[1]):
        now = continuation[:, place] = model.likeliest[now]
    return {
        "log_likelihood": np.bincount(sequence, likelihood, count),
        "tokens": np.bincount(sequence, minlength=count),
        "correct": np.bincount(sequence, model.likeliest[before] == after, count),
        "continuation": np.where(inside, continuation, PADDING),
        "reference": np.where(inside, ids[np.where(inside, places, -1)], PADDING),
    }


def judged_numbers(steps: Steps) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """What trivial models of the next numbers come to, by name, of N sequences; see `SeriesAnswer.judged`.

    `mean` always says the mean, a z-score of 0; `last_value` the last known value before, and 0 where
    there is none. Errors are in standard deviations.
    """
    numbers = steps.numbers.astype(np.float64)
    known = ~np.isnan(numbers)
    filled = np.where(known, numbers, 0.0)
    places = np.where(known, np.arange(len(numbers))[:, None], -1)
    latest = np.maximum.accumulate(places, axis=0)[steps.following - 1]
    in_sequence = latest >= steps.starts[steps.sequence[steps.following], None]
    last = np.where(in_sequence, np.take_along_axis(filled, np.maximum(latest, 0), axis=0), 0.0)
    return {
        "mean": _errors(steps, filled, known, np.zeros_like(last)),
        "last_value": _errors(steps, filled, known, last),
    }


def _errors(
    steps: Steps, numbers: _Floats, known: npt.NDArray[np.bool_], predicted: _Floats
) -> dict[str, npt.NDArray[Any]]:
    counted = known[steps.following]
    error = np.where(counted, predicted - numbers[steps.following], 0.0)

    def summed(each: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.bincount(steps.sequence[steps.following], each.sum(axis=1), len(steps.lengths))

    return {
        "squared_error": summed(error**2),
        "absolute_error": summed(np.abs(error)),
        "values": summed(counted),
    }
