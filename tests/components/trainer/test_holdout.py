"""Which sequences decide when to stop: apart from those the model is fitted to, and like them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trainer.holdout import hold_out
from components.trainer.survey import Survey


def surveyed(series, labels=None, starts=None) -> Survey:
    """A survey of sequences with these ids; of windows where there are starts."""
    ids = np.array([one if isinstance(one, bytes) else str(one).encode() for one in series] + [None], object)[
        :-1
    ]
    count = len(ids)
    labels = np.zeros(count, np.int64) if labels is None else labels
    if not isinstance(labels, np.ndarray):
        labels = np.array([one.encode() for one in labels] + [None], object)[:-1]
    starts = np.zeros(count, np.int64) if starts is None else np.array(starts, np.int64)
    return Survey(np.ones(count, np.int64), labels, ids, starts, 0)


def windows(counts: list[int], stride: int, labels=None) -> Survey:
    """Of each series so many windows, the series one after the other."""
    series = np.repeat(np.arange(len(counts)), counts)
    starts = np.concatenate([np.arange(count) * stride for count in counts])
    return surveyed(series, labels, starts)


def shared_steps(found: Survey, one: np.ndarray, other: np.ndarray, span: int) -> int:
    """Pairs of windows, one of each part, that have a step in common: by the definition, pair by pair."""
    return sum(
        found.series[a] == found.series[b] and abs(found.starts[a] - found.starts[b]) < span
        for a in np.flatnonzero(one)
        for b in np.flatnonzero(other)
    )


@given(
    series=st.lists(st.integers(0, 60), min_size=60, max_size=200).filter(lambda ids: len(set(ids)) >= 20),
    seed=st.integers(0, 9),
)
def test_of_many_series_every_tenth_is_held_out_whole(series, seed):
    labels = np.random.default_rng(seed).choice(["a", "b"], len(series)).tolist()
    starts = np.arange(len(series))
    fitted, held = hold_out(surveyed(series, labels, starts), 5)
    assert (fitted ^ held).all()
    one_side, other_side = set(np.array(series)[fitted]), set(np.array(series)[held])
    assert not one_side & other_side
    assert abs(len(other_side) - len(set(series)) / 10) < 1


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.integers(0, 9))
def test_each_class_gives_its_part(counts, seed):
    """Of ten sequences of a class that follow each other in the order of labels, one is the tenth."""
    labels = np.repeat([f"class {place}" for place in range(len(counts))], counts)
    labels = np.random.default_rng(seed).permutation(labels)
    fitted, held = hold_out(surveyed(range(len(labels)), labels.tolist()), 0)
    assert (fitted ^ held).all()
    for text, count in zip(*np.unique(labels, return_counts=True), strict=True):
        assert count // 10 <= held[labels == text].sum() <= -(-count // 10)


def test_each_range_of_a_number_gives_its_part():
    labels = np.random.default_rng(1).permutation(np.arange(100, dtype=np.float32)) - 50
    _, held = hold_out(surveyed(range(100), labels), 0)
    assert sorted((labels[held] + 50) // 10) == list(range(10))


def test_a_series_counts_with_the_label_of_its_first_window():
    """Whatever the order of the records: here each series' windows are read backwards."""
    forwards = windows([2] * 200, 1, ["a", "b"] * 100 + ["b", "a"] * 100)
    backwards = surveyed(forwards.series[::-1], forwards.labels[::-1], forwards.starts[::-1])
    _, held = hold_out(forwards, 1)
    _, held_backwards = hold_out(backwards, 1)
    assert held.tolist() == held_backwards[::-1].tolist()
    first = held[::2]
    assert (first[:100].sum(), first[100:].sum()) == (10, 10)


@settings(max_examples=50)
@given(
    counts=st.one_of(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.just([1] * 30)),
    stride=st.integers(1, 4),
    span=st.integers(0, 6),
    seed=st.integers(0, 99),
)
def test_the_order_of_the_records_does_not_matter(counts, stride, span, seed):
    random = np.random.default_rng(seed)
    found = windows(counts, stride, random.choice(["a", "b", "c"], sum(counts)).tolist())
    order = random.permutation(len(found))
    moved = surveyed(found.series[order], found.labels[order], found.starts[order])
    for one, other in zip(hold_out(found, span), hold_out(moved, span), strict=True):
        assert one[order].tolist() == other.tolist()
    for one, other in zip(hold_out(found, span), hold_out(found, span), strict=True):
        assert one.tolist() == other.tolist()


@settings(max_examples=150, deadline=None)
@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=25).filter(lambda counts: sum(counts) < 250),
    stride=st.integers(1, 7),
    span=st.integers(1, 20),
)
def test_no_step_is_on_both_sides(counts, stride, span):
    found = windows(counts, stride)
    fitted, held = hold_out(found, span)
    assert not (fitted & held).any()
    assert shared_steps(found, fitted, held, span) == 0


@settings(max_examples=150, deadline=None)
@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=25).filter(lambda counts: sum(counts) < 250),
    stride=st.integers(1, 7),
    span=st.integers(1, 20),
)
def test_no_window_is_left_out_without_a_reason(counts, stride, span):
    found = windows(counts, stride)
    fitted, held = hold_out(found, span)
    for place in np.flatnonzero(~fitted & ~held):
        alone = np.arange(len(found)) == place
        assert shared_steps(found, alone, held, span)


@given(st.lists(st.integers(2, 60), min_size=1, max_size=25), st.integers(1, 7), st.integers(0, 20))
def test_wherever_there_are_two_something_is_held_out_and_something_fitted(counts, stride, span):
    fitted, held = hold_out(windows(counts, stride), span)
    assert held.any()
    assert fitted.any() or len(counts) == 1  # windows of one series can all share a step


@pytest.mark.parametrize(
    ("counts", "stride", "span"),
    [([20_000], 1, 60), ([3000, 5000], 5, 60), ([400] * 10, 60, 60), ([900], 1, 1)],
)
def test_of_few_long_series_about_a_tenth_is_held_out_and_little_is_lost(counts, stride, span):
    fitted, held = hold_out(windows(counts, stride), span)
    assert 0.09 < held.mean() < 0.125
    assert fitted.mean() > 0.75


def test_of_one_long_series_all_times_are_on_both_sides():
    fitted, held = hold_out(windows([10_000], 1), 20)
    for part in np.array_split(np.arange(10_000), 10):
        assert fitted[part].any()
        assert held[part].any()


def test_few_short_series_of_overlapping_windows_are_held_out_whole():
    """Cut, they would leave nothing to fit: all windows of one share a step."""
    fitted, held = hold_out(windows([40] * 10, 1), 60)
    assert (fitted.sum(), held.sum()) == (360, 40)


def test_a_long_series_beside_a_short_one_is_cut_rather_than_held_out_whole():
    for counts in ([2, 60], [60, 2]):
        fitted, held = hold_out(windows(counts, 1), 20)
        assert fitted.sum() > 30
        assert held.sum() < 10


@pytest.mark.parametrize(("count", "held_count"), [(1, 1), (2, 1), (3, 1), (9, 1), (10, 1), (19, 2), (20, 2)])
def test_of_few_sequences_one_at_least_is_held_out(count, held_count):
    fitted, held = hold_out(surveyed(range(count)), 0)
    assert (fitted.sum(), held.sum()) == (count - held_count, held_count)


def test_of_no_sequence_none_is_held_out():
    assert [part.tolist() for part in hold_out(surveyed([]), 0)] == [[], []]


def test_ids_may_be_any_bytes():
    ids = [f"Gerät {place} °".encode() for place in range(15)] + [bytes([200 + place]) for place in range(15)]
    fitted, held = hold_out(surveyed(ids), 0)
    assert (fitted ^ held).all()
    assert held.sum() == 3


def test_ids_that_differ_in_trailing_zero_bytes_may_be_held_out_together_but_not_be_torn():
    ids = [one for place in range(30) for one in (f"{place}".encode(), f"{place}\0".encode())]
    fitted, held = hold_out(surveyed(ids), 0)
    assert (fitted ^ held).all()
    assert 4 <= held.sum() <= 8


def test_a_label_that_is_no_number_does_not_stop_it():
    labels = np.array([np.nan, *range(29)], np.float32)
    _, held = hold_out(surveyed(range(30), labels), 0)
    assert held.sum() == 3


def test_sequences_that_share_an_id_are_never_torn():
    ids = ["same"] * 4 + ["other"] * 3
    fitted, held = hold_out(surveyed(ids), 0)
    for name in set(ids):
        mine = np.array(ids) == name
        assert not (fitted[mine].any() and held[mine].any())
