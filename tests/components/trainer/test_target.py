"""What a model learns to answer; labels that teach nothing are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from components.trainer.target import class_target, in_order, number_target
from pipeline.config import Training
from pipeline.errors import ConfigError, DataRefused


def labels_of(*texts: str) -> np.ndarray:
    """Labels as a survey has them."""
    return np.array([text.encode() for text in texts] + [None], object)[:-1]


def of_classes(task: str, *texts: str, positive: str | None = None, **training: object):
    return class_target(task, sorted(set(texts)), positive, labels_of(*texts), Training(**training))


@pytest.mark.parametrize(
    ("classes", "positive", "expected"),
    [
        (["10", "9", "2"], None, ("2", "9", "10")),
        (["b", "a", "3", "-1.5"], None, ("-1.5", "3", "a", "b")),
        (["0", "1"], None, ("0", "1")),
        (["0", "1"], "0", ("1", "0")),
        (["spam", "ham"], "ham", ("spam", "ham")),
        (["nan", "inf", "1e3", "2"], None, ("2", "1e3", "inf", "nan")),
        (["1.0", "1"], None, ("1", "1.0")),
        (["ü", "Z", ""], None, ("", "Z", "ü")),
    ],
)
def test_numbers_come_by_value_then_text_and_the_positive_class_last(classes, positive, expected):
    assert in_order(classes, positive) == expected
    assert in_order(classes[::-1], positive) == expected


def test_binary_answers_one_number_and_multiclass_one_a_class():
    binary, several = of_classes("binary", "no", "yes", "no"), of_classes("multiclass", "c", "a", "b")
    assert (binary.head.task, binary.head.size, binary.classes) == ("binary", 1, ("no", "yes"))
    assert (several.head.task, several.head.size, several.classes) == ("multiclass", 3, ("a", "b", "c"))
    assert binary.weights == several.weights == ()
    assert of_classes("multiclass", "a", "b").head.size == 2


@given(st.lists(st.sampled_from(["a", "b", "7", "ü"]), min_size=2).filter(lambda texts: len(set(texts)) > 1))
def test_balanced_weights_are_those_of_scikit_learn(texts):
    target = of_classes("multiclass", *texts, class_weight="balanced")
    expected = compute_class_weight("balanced", classes=np.array(target.classes), y=np.array(texts))
    np.testing.assert_allclose(target.weights, expected)


def test_a_class_held_out_whole_still_has_a_weight():
    target = class_target(
        "multiclass", ["a", "b", "c"], None, labels_of("a", "b"), Training(class_weight="balanced")
    )
    assert np.isfinite(target.weights).all()


def test_weights_stand_in_the_order_of_the_classes_and_are_1_if_absent():
    target = of_classes("binary", "yes", "no", positive="no", class_weight={"no": 2.5})
    assert (target.classes, target.weights) == (("yes", "no"), (1.0, 2.5))


@pytest.mark.parametrize(
    ("arguments", "changes", "error", "expected"),
    [
        (
            ("binary", "a", "a"),
            {},
            DataRefused,
            "the training split has one class only\n"
            "  - every sequence is 'a'; a model needs at least two classes to tell apart",
        ),
        (
            ("multiclass", "a"),
            {},
            DataRefused,
            "the training split has one class only\n"
            "  - every sequence is 'a'; a model needs at least two classes to tell apart",
        ),
        (
            ("binary", "b", "10", "9"),
            {},
            DataRefused,
            "task binary needs two classes\n  - the training split has 3: 9, 10, b; use task: multiclass",
        ),
        (
            ("binary", "no", "yes"),
            {"positive": "maybe"},
            ConfigError,
            "data.positive is none of the classes\n  - expected one of no, yes, got maybe",
        ),
        (
            ("multiclass", "10", "9"),
            {"class_weight": {"9": 1.0, "8": 2.0, "nine": 2.0}},
            ConfigError,
            "training.class_weight names classes that do not occur\n  - expected 9, 10, got 8, nine "
            "(YAML reads yes and no as true and false; in quotation marks they are text)",
        ),
        (
            ("binary", "no", "yes"),
            {"class_weight": {"no": 0.0}},
            ConfigError,
            "training.class_weight leaves nothing to tell apart\n"
            "  - expected at least two of no, yes with a weight above 0",
        ),
    ],
    ids=["one class", "one of several", "three for binary", "positive", "weights", "no weights"],
)
def test_classes_that_cannot_be_learnt_are_refused(arguments, changes, error, expected):
    with pytest.raises(error) as caught:
        of_classes(*arguments, **changes)
    assert str(caught.value) == expected


@pytest.mark.parametrize("label", ["", "two\nlines"])
def test_a_label_that_transform_took_for_no_class_is_refused(label):
    with pytest.raises(DataRefused) as caught:
        class_target("binary", ["a", "b"], None, labels_of("a", label, "b", label), Training())
    assert str(caught.value) == (
        f"labels that are no class\n  - 2 of 4 sequences, such as {label!r}; "
        "expected text without line breaks; mend these labels, or leave these sequences out"
    )


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2).filter(lambda values: len(set(values)) > 1))
def test_a_number_is_learnt_in_standard_deviations_from_the_mean(values):
    labels = np.array(values, np.float32)
    head = number_target(labels).head
    scaled = (labels.astype(float) - head.offset) / head.scale
    assert (head.task, head.size) == ("regression", 1)
    assert scaled.mean() == pytest.approx(0, abs=1e-6)
    assert scaled.std() == pytest.approx(1)


def test_labels_far_from_zero_are_not_taken_for_equal():
    head = number_target(np.float32([16_000_000, 16_000_001])).head
    assert (head.offset, head.scale) == (16_000_000.5, 0.5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_label_that_is_no_number_is_refused(value):
    with pytest.raises(DataRefused) as caught:
        number_target(np.float32([1, value, 2]))
    assert str(caught.value) == "labels that are no finite number\n  - 1 of 3; leave these sequences out"


@pytest.mark.parametrize("spread", [0, 1, 20, 300])
def test_labels_that_float32_cannot_tell_apart_are_refused(spread):
    """Such as seconds since 1970: near 1.7e9 float32 has only multiples of 128."""
    labels = (1.7e9 + spread * np.sin(np.arange(1000))).astype(np.float32)
    assert len(set(labels.tolist())) < 8
    with pytest.raises(DataRefused) as caught:
        number_target(labels)
    text = str(caught.value)
    assert "numbers near 1.7e+09 are 128 apart in float32" in text
    assert text.endswith("subtract a fixed number from the label")


def test_large_labels_of_a_large_spread_are_learnt():
    labels = (1.7e9 + 1e5 * np.sin(np.arange(1000))).astype(np.float32)
    assert number_target(labels).head.scale == pytest.approx(1e5 / 2**0.5, rel=1e-2)


@pytest.mark.parametrize(("value", "shown"), [(0.1, "0.1"), (0, "0"), (-3e5, "-300000")])
def test_labels_that_are_all_the_same_are_refused(value, shown):
    with pytest.raises(DataRefused) as caught:
        number_target(np.full(1000, value, np.float32))
    assert str(caught.value) == (
        f"all labels are the same\n  - every label is {shown}; there is nothing to learn"
    )
