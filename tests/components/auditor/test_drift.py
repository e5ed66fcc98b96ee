"""Drift against SciPy, and its false alarms."""

import numpy as np
import pytest
from scipy import stats

from components.auditor.drift import _by_chance, _distance
from tests.components.auditor.conftest import some


def test_the_distance_is_that_of_scipy():
    random = np.random.default_rng(0)
    first, second = random.normal(size=150).round(1), random.normal(0.4, 1, 90).round(1)
    assert _distance(first, second) == pytest.approx(stats.ks_2samp(first, second).statistic)


def test_chance_explains_more_only_as_rarely_as_promised():
    random = np.random.default_rng(1)
    limit = _by_chance([100.0, 50.0], 1)
    beyond = [_distance(random.normal(size=100), random.normal(size=50)) > limit for _ in range(2000)]
    assert np.mean(beyond) <= 0.003  # promised: 0.001


def shifted(audit, by, evaluated=400):
    rows = some(1600 + evaluated, seed=2)
    for row in rows[1600:]:
        row["f1"] = [value + by for value in row["f1"]]
    return audit(rows[:1600], rows[1600:])


def test_a_shift_is_a_warning_and_none_is_none(audit):
    found = shifted(audit, 0.3)  # of a mean over 8 steps: 0.85 of its standard deviation
    assert (found.errors, found.warnings) == (set(), {"split-drift"})
    assert (found.only("split-drift")["feature"], found.only("split-drift")["split"]) == ("f1", "all")
    assert shifted(audit, 0.0).findings == []


def test_other_shares_of_the_classes_are_a_warning(audit):
    rows = some(1000)
    for place, row in enumerate(rows):
        row["label"] = [["p", "q"][place % 2 if place < 800 else int(place % 4 == 0)]]
    found = audit(rows[:800], rows[800:])
    assert found.warnings == {"label-drift"}
    assert "400 of 800 (50.0 %) in train, 150 of 200 (75.0 %) in eval" in found.only("label-drift")["message"]
