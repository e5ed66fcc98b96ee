"""Numbers as people read them."""

import pytest

from pipeline.figures import figure


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.5, "0.5000"), (0, "0.0000"), (-12.34567, "-12.3457"), (1.23456e-29, "1.235e-29"), (2e31, "2e+31")],
)
def test_small_and_large_numbers_keep_their_digits(value, words):
    assert figure(value) == words
