"""Areas under curves against scikit-learn: exact while scores are few, close when they are many."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from components.trainer.metrics.scores import area_under_roc, average_precision, counted, merged

# Share of positives, how far they lie from the negatives, and how wide all scores are spread.
SPREADS = [(0.5, 1.0, 1.0), (0.5, 4.0, 8.0), (0.01, 1.5, 1.0), (0.3, 1.0, 0.01), (0.02, 3.0, 0.0001)]


def draw(examples: int, share: float, apart: float, spread: float, seed: int):
    random = np.random.default_rng(seed)
    truth = random.random(examples) < share
    return (random.normal(size=examples) + apart * truth) * spread, truth


def in_parts(scores: np.ndarray, truth: np.ndarray, parts: int):
    together = counted(np.zeros(0), np.zeros(0, bool))
    for part in np.array_split(np.arange(len(scores)), parts):
        together = merged(together, counted(scores[part], truth[part]))
    return together


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(-9, 9), st.booleans()), min_size=1, max_size=200), st.integers(1, 7))
def test_few_scores_and_ties_give_exact_areas(examples, parts):
    scores = np.array([score for score, _ in examples], float)
    truth = np.array([positive for _, positive in examples])
    found = in_parts(scores, truth, parts)
    if truth.any():
        assert average_precision(found) == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-12)
    else:
        assert np.isnan(average_precision(found))
    if truth.any() and not truth.all():
        assert area_under_roc(found) == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-12)
    else:
        assert np.isnan(area_under_roc(found))


@pytest.mark.parametrize(("share", "apart", "spread"), SPREADS)
@pytest.mark.parametrize("examples", [10_000, 120_000])
def test_many_scores_give_areas_within_a_thousandth(share, apart, spread, examples):
    scores, truth = draw(examples, share, apart, spread, seed=7)
    found = in_parts(scores, truth, examples // 1000)
    tolerance = 1e-12 if examples == 10_000 else 1e-3
    assert len(found.values) <= 10_000
    assert area_under_roc(found) == pytest.approx(sk.roc_auc_score(truth, scores), abs=tolerance)
    assert average_precision(found) == pytest.approx(sk.average_precision_score(truth, scores), abs=tolerance)


def test_scores_of_certainty_are_kept_apart_from_all_others():
    scores = np.concatenate([np.linspace(-5, 5, 30_000), [np.inf] * 5, [-np.inf] * 5])
    truth = np.concatenate([np.zeros(30_000, bool), np.ones(5, bool), np.zeros(5, bool)])
    found = in_parts(scores, truth, 30)
    assert area_under_roc(found) == 1
    assert average_precision(found) == 1
