"""Windows of series on two sides, held to plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.auditor import series
from components.auditor.expected import Expected
from components.auditor.tables import NO_TIME, divided, together


def table(rows):
    """Rows of (series, start, evaluated, label) as the table `series`; windows of 4 steps."""
    columns = list(zip(*rows, strict=True))
    start = np.array(columns[1], np.int64)
    return {
        "key": np.array(columns[0], np.uint64),
        "start": start,
        "length": np.full(len(start), 4),
        "first": start * 60,
        "last": (start + 3) * 60,
        "label_time": np.full(len(start), NO_TIME),
        "label": np.array(columns[3], np.uint64),
        "ref": np.arange(len(start)),
        "evaluated": np.array(columns[2], bool),
    }


window = st.tuples(st.integers(1, 3), st.integers(0, 40), st.booleans(), st.integers(1, 2))
EXPECTED = Expected(window_length=4, horizon=3, split_by="order")


@given(st.lists(window, min_size=1, max_size=25))
def test_overlap_and_order_are_what_a_loop_finds(rows):
    found = series.look(table(rows), EXPECTED)
    train = [(s, a) for s, a, is_eval, _ in rows if not is_eval]
    overlap, later = [], []
    for ref, (s, a, is_eval, _) in enumerate(rows):
        if not is_eval:
            continue
        same = [b for other, b in train if other == s]
        if any(abs(a - b) < 4 for b in same):
            overlap.append(ref)
        elif any(a <= b + 3 for b in same):
            later.append(ref)
    assert (found.count(series.OVERLAP, "eval"), found.count(series.LATER_TRAINING, "eval")) == (
        len(overlap), len(later),
    )  # fmt: skip
    if overlap:
        assert found.seen[series.OVERLAP, "eval", ""].refs == overlap[:20]


@given(st.lists(window, min_size=1, max_size=25))
def test_counts_are_the_same_however_the_table_is_divided(rows):
    from components.auditor.tally import merge

    whole = series.look(table(rows), EXPECTED)
    parts = merge(series.look(part, EXPECTED) for _, part in divided(table(rows), 3))
    assert (parts.seen, parts.sums, parts.least) == (whole.seen, whole.sums, whole.least)


def test_the_gap_of_a_worked_example():
    # Training windows of steps 0..3 and 1..4, whose labels are of steps 6 and 7; eval begins at step 10.
    rows = [(1, 0, False, 1), (1, 1, False, 1), (1, 10, True, 1), (1, 11, True, 1)]
    found = series.look(table(rows), EXPECTED)
    assert found.least[series.GAP, "eval", ""] == 2  # steps 8 and 9
    assert found.count(series.GAP, "eval") == 1  # the window at 10; before the one at 11 lie three
    assert found.count(series.HOLDS_LABEL, "eval") == 0


def test_label_changes_are_counted_within_a_series_of_the_training_split():
    rows = [
        (1, 0, False, 1),
        (1, 1, False, 2),
        (1, 2, False, 2),
        (2, 0, False, 1),
        (2, 1, False, 1),
        (1, 9, True, 1),
    ]
    found = series.look(table(rows), EXPECTED)
    assert (found.sum(series.LABEL_CHANGES, "train"), found.sum(series.NEIGHBOURS, "train")) == (1, 3)


def test_parts_of_a_table_hold_all_rows_of_a_key_and_come_together_again():
    rows = [(key, start, False, 1) for key in range(50) for start in range(3)]
    parts = dict(divided(table(rows), 4))
    assert sum(len(part["key"]) for part in parts.values()) == 150
    for number, part in parts.items():
        assert (part["key"] % 4 == number).all()
    back = together(parts.values())
    assert back["key"].tolist() == table(rows)["key"].tolist()


@pytest.mark.parametrize("rows", [[(1, 0, False, 1)], [(1, 0, True, 1)]])
def test_one_side_alone_has_nothing_in_both(rows):
    assert series.look(table(rows), EXPECTED).seen == {}
