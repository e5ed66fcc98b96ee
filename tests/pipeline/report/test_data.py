"""Splits, lengths, labels and features as the page shows them."""

import numpy as np
import pytest
from scipy import spatial

from pipeline.report.data import shift
from pipeline.report.source import Source


def numbers(values):
    return Source(
        {"mean": float(np.mean(values)), "std_dev": float(np.std(values)), "values": len(values)}, ""
    )


def texts(counts, total=None):
    return Source({"top": [list(one) for one in counts.items()], "values": total or sum(counts.values())}, "")


def test_numbers_that_are_a_deviation_higher_are_shifted_by_one():
    values = np.random.default_rng(1).normal(3, 2, 1000)
    assert shift(numbers(values), numbers(values + values.std())) == pytest.approx(1)
    assert shift(numbers(values), numbers(values)) == 0


def test_categories_are_shifted_by_the_share_of_values_that_would_have_to_be_others():
    train, evaluated = {"a": 50, "b": 30, "c": 20}, {"a": 10, "b": 30, "d": 60}
    names = sorted({*train, *evaluated})
    shares = [[of.get(name, 0) / 100 for name in names] for of in (train, evaluated)]
    assert shift(texts(train), texts(evaluated)) == pytest.approx(spatial.distance.cityblock(*shares) / 2)


def test_what_is_not_among_the_most_frequent_counts_as_one():
    assert shift(texts({"a": 50}, 100), texts({"a": 20}, 100)) == pytest.approx(0.3)


@pytest.mark.parametrize("evaluated", [numbers([1.0, 1.0]), Source(None, ""), texts({})])
def test_where_nobody_can_say_there_is_no_shift(evaluated):
    assert np.isnan(shift(numbers([1.0, 1.0]), evaluated))
