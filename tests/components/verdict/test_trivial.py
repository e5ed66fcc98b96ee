"""Trivial models of a label against scikit-learn; they know nothing of the order of the steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from components.verdict.trivial import (
    RIDGE_PENALTY,
    Steps,
    Summaries,
    classifiers,
    logistic_regression,
    regressors,
    summarise,
)

NAN = float("nan")


def steps(numbers: list[list[list[float]]], tokens: list[list[list[int]]] | None = None) -> Steps:
    """Sequences of steps, each of the numbers, and of the tokens, that stand beside each other."""
    lengths = np.array([len(one) for one in numbers], np.int64)
    found = [
        np.array([step for one in sequences for step in one], kind).reshape(lengths.sum(), -1)
        if lengths.sum()
        else np.zeros((0, 1), kind)
        for sequences, kind in ((numbers, np.float32), (tokens or [[[]] * n for n in lengths], np.int32))
    ]
    return Steps(*found, lengths)


def summaries(table: np.ndarray) -> Summaries:
    return Summaries(table, table[:, :1])


def draw(examples: int, columns: int, classes: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A table whose columns have different units and depend on each other, and classes that depend on it."""
    random = np.random.default_rng(seed)
    table = random.normal(size=(examples, columns)) @ random.normal(size=(columns, columns))
    labels = (
        table @ random.normal(size=(columns, classes)) + random.gumbel(size=(examples, classes))
    ).argmax(1)
    return table * 10.0 ** random.integers(-3, 3, columns) + 5, labels


def test_a_summary_is_mean_minimum_maximum_shares_and_length():
    found = summarise(steps([[[1.0], [4.0], [-2.0]], [[7.0]]], [[[2], [2], [17]], [[18]]]))
    shares = np.zeros((2, 16))
    shares[0, 0], shares[0, 15] = 2 / 3, 1 / 3  # 18 is the seventeenth most frequent token
    assert found.order_free[:, :3].tolist() == [[1, -2, 4], [7, 7, 7]]
    assert found.order_free[:, 3:-1].tolist() == shares.tolist()
    assert found.order_free[:, -1].tolist() == [3, 1]
    assert found.last.tolist() == [[-2], [7]]


def test_padding_and_unknown_tokens_are_in_no_share():
    assert not summarise(steps([[[0.0]] * 2], [[[0], [1]]])).order_free[:, 3:-1].any()


def test_a_missing_number_counts_nowhere():
    found = summarise(steps([[[NAN], [2.0], [4.0], [NAN]], [[NAN]]]))
    assert found.order_free.tolist() == [[3, 2, 4, 4], [0, 0, 0, 1]]
    assert found.last.tolist() == [[4], [0]]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_empty_sequence_leaves_its_neighbours_alone(place):
    sequences = [[[1.0], [2.0]], [[5.0]]]
    sequences.insert(place, [])
    found = summarise(steps(sequences))
    assert found.order_free[place].tolist() == [0, 0, 0, 0]
    assert np.delete(found.order_free, place, axis=0).tolist() == [[1.5, 1, 2, 2], [5, 5, 5, 1]]
    assert np.delete(found.last, place, axis=0).tolist() == [[2], [5]]


def test_nothing_but_empty_sequences_can_be_summarised():
    assert not summarise(steps([[], []])).order_free.any()


NUMBERS = st.floats(-100, 100, width=32) | st.just(NAN)
SEQUENCES = st.lists(st.lists(st.tuples(NUMBERS, st.integers(0, 20)), max_size=8), min_size=1, max_size=8)


@settings(deadline=None)
@given(SEQUENCES, st.randoms(use_true_random=False))
def test_the_order_of_the_steps_changes_no_summary(sequences, random):
    permuted = [random.sample(one, len(one)) for one in sequences]
    one, other = (
        summarise(
            steps([[[x] for x, _ in s] for s in found], [[[t] for _, t in s] for s in found])
        ).order_free
        for found in (sequences, permuted)
    )
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@settings(deadline=None)
@given(SEQUENCES)
def test_summaries_equal_those_of_one_sequence_after_the_other(sequences):
    found = summarise(
        steps([[[x] for x, _ in s] for s in sequences], [[[t] for _, t in s] for s in sequences])
    )
    for row, last, sequence in zip(found.order_free, found.last, sequences, strict=True):
        known = [x for x, _ in sequence if not np.isnan(x)]
        ids = [token for _, token in sequence]
        expected = [np.mean(known), min(known), max(known)] if known else [0, 0, 0]
        expected += [ids.count(token) / max(1, len(ids)) for token in range(2, 18)]
        np.testing.assert_allclose(row, [*expected, len(sequence)], rtol=1e-12, atol=1e-12)
        assert last.tolist() == known[-1:] or (not known and last.tolist() == [0])


@pytest.mark.parametrize(("classes", "c"), [(2, 2.0), (3, 1.0), (40, 1.0)])
def test_linear_answers_as_logistic_regression_of_scikit_learn(classes, c):
    table, labels = draw(1500, 6, classes)
    labels[:classes] = range(classes)  # so that none is absent
    train, asked = table[:1000], table[1000:]
    scaler = StandardScaler().fit(train)
    expected = LogisticRegression(solver="newton-cg", C=c, max_iter=5000, tol=1e-8).fit(
        scaler.transform(train), labels[:1000]
    )
    found = classifiers(summaries(train), labels[:1000], classes)["linear"](summaries(asked))
    assert expected.classes_.tolist() == list(range(classes))
    np.testing.assert_allclose(found, expected.predict_proba(scaler.transform(asked)), atol=1e-3)
    assert (found.argmax(1) == expected.predict(scaler.transform(asked))).all()


def test_the_weights_of_separable_classes_stay_finite():
    table = np.repeat([[-1.0], [1.0]], 50, axis=0)
    weights = logistic_regression(table, np.repeat([0, 1], 50), 2)
    expected = LogisticRegression(solver="newton-cg", C=2.0, tol=1e-8).fit(table, np.repeat([0, 1], 50))
    assert weights[0, 1] - weights[0, 0] == pytest.approx(expected.coef_[0, 0], abs=1e-3)


def test_hundreds_of_classes_are_told_apart():
    labels = np.arange(900) % 300
    table = np.random.default_rng(0).normal(size=(300, 12))[labels]
    probabilities = classifiers(summaries(table), labels, 300)["linear"](summaries(table))
    assert (probabilities.argmax(1) == labels).mean() > 0.95
    np.testing.assert_allclose(probabilities.sum(1), 1)


def test_a_class_that_training_lacks_is_never_the_likeliest():
    table, labels = draw(300, 3, 2)
    probabilities = classifiers(summaries(table), labels * 2, 3)["linear"](summaries(table))
    assert np.isfinite(probabilities).all()
    assert (probabilities.argmax(1) != 1).all()


def test_a_column_that_hardly_varies_is_left_out():
    table, labels = draw(300, 3, 2)
    constant = np.column_stack([table, np.full(300, 0.1), 7 + 1e-15 * np.arange(300)])
    one, other = (classifiers(summaries(found), labels, 2)["linear"] for found in (table, constant))
    elsewhere = np.column_stack([table, np.full((300, 2), 1e6)])
    np.testing.assert_allclose(one(summaries(table)), other(summaries(elsewhere)), atol=1e-12)


def test_without_any_column_linear_answers_the_frequencies():
    models = classifiers(summaries(np.ones((10, 2))), np.array([0] * 3 + [1] * 7), 2)
    np.testing.assert_allclose(models["linear"](summaries(np.zeros((1, 2)))), [[0.3, 0.7]], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "strategy"), [("majority_class", "most_frequent"), ("label_frequencies", "prior")]
)
def test_guesses_equal_those_of_scikit_learn(name, strategy):
    table, labels = draw(200, 3, 4)
    found = classifiers(summaries(table), labels, 4)[name](summaries(table[:7]))
    expected = DummyClassifier(strategy=strategy).fit(table, labels).predict_proba(table[:7])
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_where_the_order_is_all_that_matters_linear_is_no_better_than_a_coin():
    random = np.random.default_rng(1)
    walks = np.sort(random.normal(size=(8000, 10)), axis=1) + random.normal(0, 0.3, (8000, 10))
    falls = np.arange(8000) % 2
    walks[falls == 1] = walks[falls == 1, ::-1]
    found = summarise(Steps(walks.reshape(-1, 1), np.zeros((80_000, 0)), np.full(8000, 10)))
    train, asked = (
        Summaries(found.order_free[part], found.last[part]) for part in (slice(4000), slice(4000, None))
    )
    score = classifiers(train, falls[:4000], 2)["linear"](asked)[:, 1]
    assert roc_auc_score(falls[4000:], score) == pytest.approx(0.5, abs=0.03)
    assert roc_auc_score(falls[4000:], walks[4000:, 0] - walks[4000:, -1]) > 0.99


@pytest.mark.parametrize("name", ["linear", "last_value"])
def test_numbers_are_told_as_by_ridge_of_scikit_learn(name):
    table, labels = draw(400, 5, 3)
    labels = table @ np.arange(5) + labels + 1e6
    train, asked = (Summaries(table[part], table[part, :2]) for part in (slice(300), slice(300, None)))
    of = {"linear": lambda one: one.order_free, "last_value": lambda one: one.last}[name]
    scaler = StandardScaler().fit(of(train))
    expected = Ridge(alpha=RIDGE_PENALTY).fit(scaler.transform(of(train)), labels[:300])
    found = regressors(train, labels[:300])[name](asked)
    np.testing.assert_allclose(found, expected.predict(scaler.transform(of(asked))), rtol=1e-12)


def test_equal_columns_share_a_weight():
    x = np.arange(20.0)
    models = regressors(Summaries(np.column_stack([x, x, x]), np.zeros((20, 0))), 3 * x + 1)
    assert list(models) == ["mean", "linear"]  # and there is no last value without numbers
    asked = Summaries(np.full((1, 3), 50.0), np.zeros((1, 0)))
    assert models["linear"](asked) == pytest.approx([151], abs=0.01)
    assert models["mean"](asked).tolist() == [29.5]
