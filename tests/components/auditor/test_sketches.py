"""What tells sequences apart, held to plain Python and to the published formula."""

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.auditor.contract import Contract
from components.auditor.expected import Expected
from components.auditor.lists import Lists
from components.auditor.profile import collision_bits, profile_of
from components.auditor.sketches import BANDS, ROWS, Tokens, content, information, mix, sketches, tokens

NOTHING = Contract({}, frozenset(), {}, {})


def lists(rows, item=None):
    kind = item or (
        pa.large_binary() if any(isinstance(v, bytes) for row in rows for v in row) else pa.float32()
    )
    return Lists.of(pa.array(rows, pa.large_list(kind)))


values = st.lists(st.floats(-2, 2, width=16), max_size=4)
sequence = st.tuples(values, values)


@given(st.lists(sequence, min_size=2, max_size=8))
def test_contents_have_one_hash_exactly_where_they_are_equal(rows):
    features = {
        "a": lists([a for a, _ in rows], pa.float32()),
        "b": lists([b for _, b in rows], pa.float32()),
    }
    found = content(features, len(rows))
    for i, one in enumerate(rows):
        for j, other in enumerate(rows):
            assert (found[i] == found[j]) == (one == other)  # -0.0 equals 0.0 on both sides


def test_order_feature_and_type_of_missing_values_matter():
    nan = float("nan")
    rows = [
        ([1.0, 2.0], [3.0]),
        ([2.0, 1.0], [3.0]),
        ([3.0], [1.0, 2.0]),
        ([nan, 2.0], [3.0]),
        ([nan, 2.0], [3.0]),
    ]
    features = {"a": lists([a for a, _ in rows]), "b": lists([b for _, b in rows])}
    found = content(features, len(rows)).tolist()
    assert len(set(found[:4])) == 4
    assert found[3] == found[4]


def test_the_finalizer_is_splitmix64():
    # The first outputs of SplitMix64 seeded with 0, as its authors' reference code prints them.
    golden = 0x9E3779B97F4A7C15
    states = np.array([0, golden, (2 * golden) % 2**64], np.uint64)
    assert [hex(value) for value in mix(states).tolist()] == [
        "0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f",
    ]  # fmt: skip


@given(st.lists(st.integers(0, 4), min_size=2, max_size=30))
def test_collision_bits_are_those_of_all_pairs(numbers):
    pairs = [(i, j) for i in range(len(numbers)) for j in range(i)]
    equal = sum(numbers[i] == numbers[j] for i, j in pairs)
    assert collision_bits(np.array(numbers)) == pytest.approx(math.log2(len(pairs) / max(1, equal)))
    assert Counter(numbers)


def test_a_flat_line_tells_little_and_noise_much():
    random = np.random.default_rng(0)
    flat, noise = np.repeat(random.normal(size=(200, 1)), 50, axis=1), random.normal(size=(200, 50))
    columns = {"a": lists([*flat.tolist(), *noise.tolist()])}
    profile = profile_of(columns, Expected(), NOTHING, {})
    bits = information(columns, 400, profile)
    assert bits[:200].max() < 30 < 500 < bits[200:].min()


def test_keys_meet_as_often_as_the_formula_says():
    random = np.random.default_rng(0)
    for shared, size in ((57, 60), (54, 60), (48, 60), (30, 60)):
        pairs = 400
        tokens_of = []
        for _ in range(pairs):
            own = random.integers(0, 2**63, 2 * size - shared, np.uint64)
            tokens_of += [own[:size], own[size - shared :]]
        made = Tokens(np.concatenate(tokens_of), np.repeat(np.arange(2 * pairs), size))
        keys = sketches(made, 2 * pairs).keys
        met = (keys[0::2] == keys[1::2]).any(axis=1).mean()
        similarity = shared / (2 * size - shared)
        expected = 1 - (1 - similarity**ROWS) ** BANDS
        assert met == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / pairs) + 0.005)


def test_signatures_agree_as_often_as_the_sets_are_alike():
    random = np.random.default_rng(3)
    shared, size, pairs = 30, 60, 300
    parts = []
    for _ in range(pairs):
        own = random.integers(0, 2**63, 2 * size - shared, np.uint64)
        parts += [own[:size], own[size - shared :]]
    found = sketches(Tokens(np.concatenate(parts), np.repeat(np.arange(2 * pairs), size)), 2 * pairs)
    agree = (found.signatures[0::2] == found.signatures[1::2]).mean()
    similarity = shared / (2 * size - shared)
    expected = similarity + (1 - similarity) / 256
    assert agree == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / (16 * pairs)))


def near(first, second, others):
    """Whether two sequences of one feature share a key, where the profile is that of all."""
    rows = [first, second, *others]
    columns = {"a": lists(rows)}
    profile = profile_of(columns, Expected(), NOTHING, {})
    keys = sketches(tokens(columns, len(rows), profile), len(rows)).keys
    return bool((keys[0] == keys[1]).any())


def test_small_noise_and_a_shift_by_a_step_are_near_and_other_sequences_are_not():
    random = np.random.default_rng(1)
    others = random.normal(size=(300, 40)).tolist()
    long = random.normal(size=41)
    assert near(long[:40].tolist(), (long[:40] + random.normal(size=40) * 1e-4).tolist(), others)
    assert near(long[:40].tolist(), long[1:].tolist(), others)
    assert not any(near(others[i], others[i + 1], others) for i in range(20))


def test_texts_with_one_word_changed_are_near():
    words = [f"word{i}" for i in range(60)]
    first, second = " ".join(words), " ".join([*words[:30], "other", *words[31:]])
    rows = [[first.encode()], [second.upper().encode()], [b"an unrelated message of some words"]]
    columns = {"text": lists(rows)}
    profile = profile_of(columns, Expected(), NOTHING, {})
    assert profile.texts == ["text"]
    keys = sketches(tokens(columns, 3, profile), 3).keys
    assert (keys[0] == keys[1]).any()
    assert not (keys[0] == keys[2]).any()


def test_characters_are_compared_several_in_a_row():
    random = np.random.default_rng(2)
    texts = ["".join(random.choice(list("abcdefgh"), 100)) for _ in range(50)]
    columns = {"c": lists([[c.encode() for c in text] for text in texts])}
    profile = profile_of(columns, Expected(), NOTHING, {})
    assert profile.groups[0].steps >= 4  # 3 bits each
    keys = sketches(tokens(columns, 50, profile), 50).keys
    assert len(np.unique(keys[:, 0])) == 50
