"""Trivial models of the next step against worked examples and plain Python."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.verdict.trivial import Steps
from components.verdict.trivial_generation import (
    Pairs,
    judged_numbers,
    judged_tokens,
    pairs,
    token_models,
)

NAN = float("nan")
A, B, C = 2, 3, 4  # ids of a vocabulary of three tokens, beside padding and unknown


def texts(sequences: list[list[int]]) -> Steps:
    ids = np.array([token for one in sequences for token in one], np.int64)[:, None]
    return Steps(np.zeros((len(ids), 0)), ids, np.array([len(one) for one in sequences], np.int64))


def series(sequences: list[list[float]], numbers: int = 1) -> Steps:
    values = np.array([step for one in sequences for step in one], np.float32).reshape(-1, numbers)
    return Steps(values, np.zeros((len(values), 0)), np.array([len(one) for one in sequences], np.int64))


def test_the_worked_example_of_witten_and_bell():
    models = token_models(pairs(texts([[A, B, A, B, A, C]]), 5))
    # Counted are b, a, b, a, c, and each of the ids 1, a, b, c once more: of 9 together
    alone = {1: 1 / 9, A: 3 / 9, B: 3 / 9, C: 2 / 9}
    # After a: b twice and c once, two different tokens. After b: a twice. After c: nothing.
    after_a = {1: 2 / 9 / 5, A: 6 / 9 / 5, B: (2 + 6 / 9) / 5, C: (1 + 4 / 9) / 5}
    after_b = {1: 1 / 9 / 3, A: (2 + 3 / 9) / 3, B: 3 / 9 / 3, C: 2 / 9 / 3}
    ids = np.array([1, A, B, C])
    for before, expected in ((A, after_a), (B, after_b), (C, alone)):
        found = models["bigram"].probability(np.full(4, before), ids)
        assert found.tolist() == pytest.approx([expected[one] for one in (1, A, B, C)], abs=1e-15)
        told_alone = models["token_frequencies"].probability(np.full(4, before), ids)
        assert told_alone.tolist() == pytest.approx(list(alone.values()))
    assert models["bigram"].likeliest.tolist() == [A, A, B, A, A]
    assert models["token_frequencies"].likeliest.tolist() == [A] * 5


TEXTS = st.lists(st.lists(st.integers(1, 6), max_size=9), min_size=1, max_size=8)


def told(train: list[list[int]], before: int, token: int, *, bigram: bool) -> float:
    """Witten-Bell smoothing of 7 ids, in plain Python."""
    follows = Counter(pair for one in train for pair in pairwise(one))
    tokens = Counter(second for one in train for second in one[1:])
    alone = (tokens[token] + 1) / (tokens.total() + 6)
    after = [count for (first, _), count in follows.items() if first == before]
    if not bigram or not after:
        return alone
    return (follows[before, token] + len(after) * alone) / (sum(after) + len(after))


@settings(deadline=None)
@given(TEXTS, TEXTS, st.booleans())
def test_likelihoods_equal_plain_python(train, asked, bigram):
    model = token_models(pairs(texts(train), 7))["bigram" if bigram else "token_frequencies"]
    found = judged_tokens(model, texts(asked), 50)
    for at, one in enumerate(asked):
        each = [told(train, *pair, bigram=bigram) for pair in pairwise(one)]
        assert found["log_likelihood"][at] == pytest.approx(sum(map(math.log, each)), abs=1e-9)
        assert found["tokens"][at] == len(each)
    for before in range(1, 7):
        each = [told(train, before, token, bigram=bigram) for token in range(1, 7)]
        assert sum(each) == pytest.approx(1)
        assert each[model.likeliest[before] - 1] == pytest.approx(max(each[1:]))  # unknown is never said


def test_hits_and_greedy_continuations_follow_the_likeliest_token():
    model = token_models(pairs(texts([[A, B, A, B, A, C]]), 5))["bigram"]  # a to b, all others to a
    found = judged_tokens(model, texts([[A, B, C, A, B], [], [C], [B, A]]), 50)
    assert found["correct"].tolist() == [3, 0, 0, 1]
    assert found["tokens"].tolist() == [4, 0, 0, 1]
    assert found["continuation"].tolist() == [[A, B], [0, 0], [0, 0], [A, 0]]
    assert found["reference"].tolist() == [[A, B], [0, 0], [0, 0], [A, 0]]


def test_a_continuation_is_cut():
    model = token_models(pairs(texts([[A] * 9]), 5))["bigram"]
    found = judged_tokens(model, texts([[A, B, C, B, C, A]]), 2)
    assert found["reference"].tolist() == [[B, C]]
    assert found["continuation"].tolist() == [[A, A]]


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_pairs_of_two_parts_are_those_of_all(one, other):
    together, found = pairs(texts(one + other), 7), pairs(texts(one), 7) + pairs(texts(other), 7)
    assert isinstance(found, Pairs)
    assert (found.keys.tolist(), found.counts.tolist()) == (together.keys.tolist(), together.counts.tolist())


def test_the_last_value_comes_from_the_same_sequence_and_is_a_known_one():
    found = judged_numbers(series([[1.0, 3.0], [], [NAN, 2.0, NAN, 5.0], [7.0]]))
    assert found["last_value"]["squared_error"].tolist() == [
        4,
        0,
        2**2 + 3**2,
        0,
    ]  # no value before 2: it is 0
    assert found["last_value"]["absolute_error"].tolist() == [2, 0, 5, 0]
    assert found["mean"]["squared_error"].tolist() == [9, 0, 4 + 25, 0]
    assert found["mean"]["absolute_error"].tolist() == [3, 0, 7, 0]
    assert found["mean"]["values"].tolist() == found["last_value"]["values"].tolist() == [1, 0, 2, 0]


NUMBERS = st.floats(-9, 9, width=32) | st.just(NAN)


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=6), min_size=1, max_size=6))
def test_errors_of_numbers_equal_plain_python(sequences):
    found = judged_numbers(series(sequences, numbers=2))
    for at, sequence in enumerate(sequences):
        errors, values = [], []
        for column in zip(*sequence, strict=True):
            for place in range(1, len(column)):
                known = [x for x in column[:place] if not math.isnan(x)]
                if not math.isnan(column[place]):
                    errors.append(column[place] - (known[-1] if known else 0.0))
                    values.append(column[place])
        assert found["last_value"]["squared_error"][at] == pytest.approx(sum(e * e for e in errors))
        assert found["last_value"]["absolute_error"][at] == pytest.approx(sum(map(abs, errors)))
        assert found["mean"]["squared_error"][at] == pytest.approx(sum(x * x for x in values))
        assert found["mean"]["values"][at] == len(values)
