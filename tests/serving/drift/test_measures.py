"""Measures against SciPy and NumPy, what chance makes of them, and what is found."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from pipeline.config import Drift
from serving.drift import chance
from serving.drift.comparators import compare
from serving.drift.measures import measure
from serving.drift.texts import Words, words
from tests.serving.drift.populations import alike, counted, trained

TRAINED = 800
SHARES = [0.5, 0.3, 0.2]
NOTHING = Drift(numbers=1e-9, categories=1e-9, lengths=1e-9, missing=1e-9)


def test_tfdv_measures_what_scipy_does():
    random = np.random.default_rng(0)
    train, serving = random.integers(0, 50, (2, 12)).astype(float)
    train[0] = serving[-1] = 0
    categories = {"a": 5.0, "": 3.0, "b": 2.0}, {"a": 1.0, "new": 4.0}
    found = compare({"x": (train, serving)}, {"c": categories}, {"x": 0.5, "c": 0.7})
    assert found["x"] == (pytest.approx(jensenshannon(train, serving, base=2) ** 2), False)
    assert found["c"] == (pytest.approx(0.8), True)  # new: 0 of 10, 4 of 5


def by_name(found):
    return {(one.feature, one.measure): one for one in found}


def test_the_cells_of_training_hold_what_numpy_counts():
    random = np.random.default_rng(3)
    sample = alike(TRAINED, random)
    baseline = trained(sample)
    for feature in baseline.features:
        if feature.cells is None:
            continue
        values = sample[1][feature.name]
        values = values[~np.isnan(values)]
        counted_again = feature.cells.count(values)
        np.testing.assert_allclose(feature.cells.counts, counted_again, atol=0.01 * len(values))
        assert feature.cells.counts.sum() == pytest.approx(len(values), rel=1e-6)
        outside = feature.cells.count(np.array([-1e9, 1e9]))
        assert (outside[0], outside[-1], outside.sum()) == (1, 1, 2)


def test_values_against_scipy_and_numpy():
    random = np.random.default_rng(4)
    train, serving = alike(TRAINED, random), alike(300, random)
    baseline = trained(train)
    found = by_name(measure(baseline, counted(serving, baseline), NOTHING, {}))
    (normal,) = [one for one in baseline.features if one.name == "normal"]
    sides = [normal.cells.count(one[1]["normal"]) for one in (train, serving)]
    expected = jensenshannon(*sides, base=2) ** 2
    assert found["normal", "Jensen-Shannon"].value == pytest.approx(expected, abs=2e-3)  # deciles within 1 %
    shares = [[(one[1]["colour"] == name).mean() for name in "abcdefgh"] for one in (train, serving)]
    assert found["colour", "L-infinity"].value == pytest.approx(np.abs(np.subtract(*shares)).max(), abs=1e-6)
    gone = [np.isnan(one[1]["heavy"]).mean() for one in (train, serving)]
    assert found["heavy", "missing"].value == pytest.approx(abs(gone[0] - gone[1]), abs=1e-6)
    distance = stats.ks_2samp(train[0], serving[0]).statistic
    assert distance - 0.03 <= found["", "lengths"].value <= distance + 0.011


@pytest.mark.parametrize(
    ("simulated", "limit"),
    [
        (
            lambda random: jensenshannon(
                random.multinomial(300, [0.1] * 10), random.multinomial(800, [0.1] * 10), base=2
            ) ** 2,
            chance.jensen_shannon(10, 300, 800, 0.01),
        ),
        (
            lambda random: np.abs(
                random.multinomial(300, SHARES) / 300 - random.multinomial(800, SHARES) / 800
            ).max(),
            chance.infinity(np.array(SHARES), 300, 800, 0.01),
        ),
        (
            lambda random: abs(random.binomial(300, 0.1) / 300 - random.binomial(800, 0.1) / 800),
            chance.share(0.1, 300, 800, 0.01),
        ),
        (
            lambda random: stats.ks_2samp(random.normal(size=300), random.normal(size=800)).statistic,
            chance.kolmogorov(300, 800, 0.01),
        ),
    ],
    ids=["jensen-shannon", "l-infinity", "share", "kolmogorov"],
)  # fmt: skip
def test_chance_exceeds_its_limit_as_rarely_as_promised(simulated, limit):
    random = np.random.default_rng(5)
    found = np.array([simulated(random) for _ in range(2000)])
    assert np.mean(found > limit) <= 0.016  # promised: 0.01
    assert np.quantile(found, 0.9) > limit / 3  # and it is no limit that nothing reaches


def test_an_honest_log_is_quiet_and_planted_drift_is_found():
    random = np.random.default_rng(6)
    baseline = trained(alike(TRAINED, random))
    honest = alike(1000, random)
    assert not any(one.beyond for one in measure(baseline, counted(honest, baseline), Drift(), {}))
    lengths, features = honest
    planted = {
        **features,
        "normal": features["normal"] + np.float32(1),
        "whole": np.where(np.arange(len(features["whole"])) % 5 == 0, np.float32("nan"), features["whole"]),
        "colour": np.where(np.arange(len(features["colour"])) % 3 == 0, "z", features["colour"]),
    }
    found = measure(baseline, counted((lengths, planted), baseline), Drift(), {})
    beyond = {(one.feature, one.measure) for one in found if one.beyond}
    assert beyond == {("normal", "Jensen-Shannon"), ("whole", "missing"), ("colour", "L-infinity")}
    assert [one.beyond for one in found] == sorted((one.beyond for one in found), reverse=True)
    said = by_name(found)
    assert said["colour", "L-infinity"].meaning.startswith("'z': 0.0% of the steps in training, 33.")
    assert said["whole", "missing"].meaning.startswith("0.0% of the steps in training, 20.0% in the log")


def test_a_bound_of_null_is_not_judged():
    random = np.random.default_rng(7)
    baseline = trained(alike(TRAINED, random))
    log = counted(alike(300, random), baseline)
    found = measure(baseline, log, Drift(numbers=None, lengths=None, missing=None), {})
    assert [one.measure for one in found] == ["L-infinity"]
    none = Drift(numbers=None, categories=None, lengths=None, missing=None)
    assert measure(baseline, log, none, {}) == []


def test_words_are_cut_as_the_model_cuts_them():
    vocabulary = "good\nünder\n.\n".encode()
    found = words(["Good, ÜNDER.".encode(), b"", b"don't"], vocabulary, generation=False)
    assert (found.counts.tolist(), found.unknown.tolist()) == ([4, 0, 1], [1, 0, 1])
    assert found.unknown_share == 0.4
    assert found.independent == pytest.approx(25 / 17)


def test_texts_of_another_kind_are_found():
    random = np.random.default_rng(8)
    baseline = trained(alike(TRAINED, random))
    log = counted(alike(500, random), baseline)

    def written(letters: str, size: int) -> Words:
        texts = [" ".join(random.choice(list(letters), size)).encode() for _ in range(500)]
        return words(texts, b"a\nb\nc\n", generation=False)

    train, same, other = written("abcd", 8), written("abcd", 8), written("abxyz", 12)
    quiet = by_name(measure(baseline, log, Drift(), {"normal": (train, same)}))
    assert not quiet["normal", "words"].beyond
    assert not quiet["normal", "unknown words"].beyond
    found = by_name(measure(baseline, log, Drift(), {"normal": (train, other)}))
    assert found["normal", "words"].meaning == "words of a text: median 8 in training, 12 in the log"
    assert found["normal", "words"].beyond
    assert found["normal", "unknown words"].beyond


def test_a_constant_number_keeps_its_cell():
    lengths = np.full(50, 3)
    baseline = trained((lengths, {"x": np.full(150, 0.1, np.float32)}))
    same = counted((lengths, {"x": np.full(150, 0.1, np.float32)}), baseline)
    other = counted((lengths, {"x": np.full(150, 0.2, np.float32)}), baseline)
    assert by_name(measure(baseline, same, Drift(), {}))["x", "Jensen-Shannon"].value == 0
    assert by_name(measure(baseline, other, Drift(), {}))["x", "Jensen-Shannon"].beyond
