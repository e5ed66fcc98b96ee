"""Generation metrics against sacrebleu and NumPy."""

import math
import pickle

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gmean

from components.trainer.metrics.generation import CONTINUATIONS, Generation
from components.trainer.metrics.packing import unpacked

NOTHING = np.zeros(0, np.int64)
TOKENS = st.lists(st.integers(1, 6), max_size=12)
TEXTS = st.lists(st.tuples(TOKENS, TOKENS), min_size=1, max_size=12)


def padded(tokens: list[int], width: int) -> np.ndarray:
    return np.array([*tokens, *[0] * (width - len(tokens))], np.int64)


def answer(continuation=NOTHING, reference=NOTHING, log_likelihood=-1.0, tokens=1, correct=0) -> dict:
    return {
        "log_likelihood": np.array([log_likelihood]),
        "tokens": np.array([tokens]),
        "correct": np.array([correct]),
        "continuation": continuation,
        "reference": reference,
    }


def of_texts(texts, width: int = 12) -> Generation:
    tally = Generation()
    answers = [answer(padded(one, width), padded(other, width)) for one, other in texts]
    tally.add([None] * len(answers), answers)
    return tally


def words(tokens: list[int]) -> str:
    return " ".join(f"t{token}" for token in tokens)


@settings(deadline=None, max_examples=150)
@given(TEXTS)
def test_bleu_equals_sacrebleu(texts):
    found = of_texts(texts).metrics()["bleu"]
    if not any(reference for _, reference in texts):
        assert math.isnan(found)
        return
    expected = sacrebleu.corpus_bleu(
        [words(continuation) for continuation, _ in texts],
        [[words(reference) for _, reference in texts]],
        tokenize="none",
        smooth_method="exp",
    )
    assert found == pytest.approx(expected.score, abs=1e-6)


def test_bleu_of_a_worked_example():
    # 6 of 7 words, 4 of 6 pairs, 2 of 5 triples and 1 of 4 quadruples; 7 words against 8
    continuation, reference = [1, 2, 3, 4, 9, 6, 7], [1, 2, 3, 4, 5, 6, 7, 8]
    expected = 100 * math.exp(1 - 8 / 7) * (6 / 7 * 4 / 6 * 2 / 5 * 1 / 4) ** 0.25
    assert of_texts([(continuation, reference)]).metrics()["bleu"] == pytest.approx(expected)


def test_the_text_itself_has_the_highest_bleu():
    assert of_texts([([5, 6, 7, 8, 9], [5, 6, 7, 8, 9])]).metrics()["bleu"] == pytest.approx(100)


def test_large_token_ids_are_told_apart():
    far = 2**62
    tally = Generation()
    tally.add([None], [answer(np.array([far, far + 1, 3, 4]), np.array([far, far + 1, 3, 4]))])
    assert tally.metrics()["bleu"] == pytest.approx(100)


def test_padding_never_changes_bleu():
    texts = [([1, 2, 3, 4, 5], [1, 2, 3, 4]), ([2, 2, 1, 3], [2, 1, 3, 5, 6])]
    mixed = of_texts(texts[:1], width=5)
    mixed.merge(of_texts(texts[1:], width=40))
    assert mixed.metrics()["bleu"] == pytest.approx(of_texts(texts).metrics()["bleu"])


SCORED = st.lists(
    st.tuples(st.floats(-500, 0), st.integers(1, 60), st.integers(0, 60)), min_size=1, max_size=30
)


@settings(deadline=None)
@given(SCORED)
def test_likelihoods_are_of_all_tokens_together(scored):
    tally = Generation()
    answers = [answer(log_likelihood=ln, tokens=n, correct=min(right, n)) for ln, n, right in scored]
    tally.add([None] * len(answers), answers)
    found = tally.metrics()
    likelihoods, tokens, _ = np.array(scored).T
    # every token on its own, as if all windows were one text
    each = np.repeat(likelihoods / tokens, tokens.astype(int))
    assert found["log_loss"] == pytest.approx(-each.mean(), abs=1e-6)
    assert found["bits_per_token"] == pytest.approx(-(each / np.log(2)).mean(), abs=1e-6)
    assert found["perplexity"] == pytest.approx(gmean(np.exp(-each)), rel=1e-6)
    hits = np.concatenate([np.arange(n) < right for _, n, right in scored])
    assert found["accuracy"] == pytest.approx(hits.mean())


def test_a_guess_among_eight_tokens_has_perplexity_eight():
    tally = Generation()
    tally.add([None] * 3, [answer(log_likelihood=-n * math.log(8), tokens=n) for n in (1, 10, 100)])
    found = tally.metrics()
    assert (found["perplexity"], found["bits_per_token"]) == pytest.approx((8, 3))


def of_values(squared: float, absolute: float, values: int) -> dict:
    return {"squared_error": squared, "absolute_error": np.array([absolute]), "values": np.array([values])}


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9), min_size=1, max_size=9))
def test_errors_are_of_all_values_together(errors):
    tally = Generation()
    answers = [of_values(np.square(row).sum(), np.abs(row).sum(), len(row)) for row in errors]
    tally.add([None] * len(answers), answers)
    flat = np.concatenate(errors)
    mse = np.mean(flat**2)
    expected = {"mse": mse, "rmse": np.sqrt(mse), "mae": np.mean(np.abs(flat))}
    assert tally.metrics() == pytest.approx(expected, abs=1e-6)


@settings(deadline=None)
@given(TEXTS, st.integers(1, 5), st.integers(0, 1000))
def test_any_partition_and_order_of_the_data_gives_the_same_metrics(texts, parts, seed):
    merged = Generation()
    for part in np.array_split(np.random.default_rng(seed).permutation(len(texts)), parts):
        if len(part):
            merged.merge(pickle.loads(pickle.dumps(of_texts([texts[place] for place in part]))))
    merged.merge(Generation())
    assert merged.metrics() == pytest.approx(of_texts(texts).metrics(), nan_ok=True)


def test_no_examples_give_no_metrics():
    assert Generation().metrics() == {}


def test_nothing_to_predict_is_undefined():
    tally = Generation()
    tally.add([None], [answer(log_likelihood=0.0, tokens=0)])
    assert all(math.isnan(value) for value in tally.metrics().values())
    tally = Generation()
    tally.add([None], [of_values(0.0, 0.0, 0)])
    assert all(math.isnan(value) for value in tally.metrics().values())


def test_one_answer_that_is_no_number_leaves_no_metric_looking_good():
    tally = of_texts([([1, 2, 3, 4], [1, 2, 3, 4])])
    tally.add([None], [answer(log_likelihood=math.nan, correct=1)])
    assert all(math.isnan(value) for value in tally.metrics().values())
    tally = Generation()
    tally.add([None] * 2, [of_values(1.0, 1.0, 1), of_values(math.nan, math.nan, 1)])
    assert all(math.isnan(value) for value in tally.metrics().values())


def test_a_token_held_impossible_has_no_finite_perplexity():
    tally = Generation()
    tally.add([None], [answer(log_likelihood=-math.inf, tokens=5)])
    assert (tally.metrics()["log_loss"], tally.metrics()["perplexity"]) == (math.inf, math.inf)


def asked(texts, width: int) -> Generation:
    """A tally of prompts, continuations and references, padded to a width."""
    tally = Generation()
    tally.add(
        [None] * len(texts),
        [
            {**answer(padded(said, width), padded(reference, width)), "prompt": padded(prompt, width)}
            for prompt, said, reference in texts
        ],
    )
    return tally


def shown(tally: Generation) -> list[tuple[list[int], ...]]:
    """The texts that are shown, without their padding."""
    rows = unpacked(tally.metrics()[CONTINUATIONS][0, 0], 150).astype(int).reshape(-1, 3, 50)
    return sorted(tuple([id_ for id_ in text if id_] for text in texts.tolist()) for texts in rows)


def drawn(count: int) -> list[tuple[list[int], ...]]:
    random = np.random.default_rng(4)
    return [
        tuple(random.integers(2, 30, random.integers(1, 12)).tolist() for _ in range(3)) for _ in range(count)
    ]


def test_prompts_continuations_and_references_are_shown_as_they_are():
    texts = [([2, 3], [4], [5, 6]), ([2], [7, 7], [8])]
    assert shown(asked(texts, 4)) == sorted(texts)


def test_the_same_ten_are_shown_however_the_texts_are_divided_and_padded():
    texts = drawn(300)
    expected = shown(asked(texts, 12))
    merged = Generation()
    for width, part in enumerate(np.array_split(np.random.default_rng(1).permutation(300), 6), start=12):
        merged.merge(pickle.loads(pickle.dumps(asked([texts[at] for at in part], width))))
    assert shown(merged) == expected
    assert len(expected) == 10
    assert all(one in texts for one in expected)


def test_another_model_is_shown_with_the_same_prompts():
    texts = drawn(300)
    other = [(prompt, [9], reference) for prompt, _, reference in texts]
    assert [one[::2] for one in shown(asked(texts, 12))] == [one[::2] for one in shown(asked(other, 12))]


def test_a_prompt_that_occurs_often_is_shown_once():
    assert shown(asked([([2, 3], [4], [5])] * 20, 4)) == [([2, 3], [4], [5])]


def test_texts_without_a_prompt_or_a_reference_are_not_shown():
    assert shown(asked([([2], [0], [0]), ([0], [3], [4]), ([5], [6], [7])], 3)) == [([5], [6], [7])]


def test_a_model_that_does_not_tell_its_prompts_is_measured_all_the_same():
    found = of_texts([([1, 2], [1, 2])]).metrics()
    assert CONTINUATIONS not in found
    assert found["accuracy"] == 0
