"""Batches: every sequence once an epoch, little padding, and what each one weighs."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trainer import dataset as module
from components.trainer.dataset import Data
from components.trainer.inputs import Inputs, read_inputs
from components.trainer.model import Head
from components.trainer.survey import survey
from components.trainer.target import Target

LABEL = "kind"
CLASSES = ("2", "10", "z")
NUMBERED = Inputs(("number",), {})


def data_of(transformed, *, batch_size: int = 5, widths: tuple[int, ...] = ()) -> Data:
    target = Target(Head("multiclass", 3), CLASSES)
    inputs = read_inputs(transformed.output, LABEL)
    return Data([transformed.files], transformed.output, inputs, target, LABEL, batch_size, widths)


class Numbered:
    """Stands for Transform's output of sequences that each hold their own number at every step."""

    def __init__(self, label: tf.DType | None = tf.float32) -> None:
        self.label = label

    def transformed_feature_spec(self):
        spec = {"number": tf.io.VarLenFeature(tf.float32)}
        return spec if self.label is None else {**spec, LABEL: tf.io.FixedLenFeature([], self.label)}


def numbered(folder, lengths: list[int], **changes: object) -> Data:
    """Sequences of these lengths; the first holds 1 at every step, the next one 2."""
    path = str(folder / "numbered.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for number, length in enumerate(lengths, start=1):
            steps = tf.train.Feature(float_list=tf.train.FloatList(value=[number] * length))
            label = tf.train.Feature(float_list=tf.train.FloatList(value=[10 * number]))
            features = tf.train.Features(feature={"number": steps, LABEL: label})
            writer.write(tf.train.Example(features=features).SerializeToString())
    settings = {"target": Target(Head("regression")), "label": LABEL, "batch_size": 4, **changes}
    return Data([path], Numbered(), NUMBERED, **settings)


def rows(batches: tf.data.Dataset) -> list[tuple[int, int, float, float]]:
    """Of each row: its sequence's number (0 where it has no step), its length, target and weight."""
    found = []
    for inputs, target, weight in batches.as_numpy_iterator():
        numbers = inputs["numbers"][:, :, 0].max(axis=1).astype(int).tolist()
        lengths = inputs["mask"].sum(axis=1).tolist()
        found += zip(numbers, lengths, target.ravel().tolist(), weight.tolist(), strict=True)
    return found


def drawn(part: module.Part, seed: int, sequences: int) -> tf.data.Dataset:
    """An epoch in a drawn order."""
    return part.epochs(sequences, seed)(0)


def order(batches: tf.data.Dataset) -> list[int]:
    return [number for number, _, _, weight in rows(batches) if weight > 0]


def padding(batches: tf.data.Dataset) -> int:
    return sum(int((~inputs["mask"]).sum()) for inputs, _, _ in batches.as_numpy_iterator())


def chosen_of(data: Data, seed: int = 1) -> np.ndarray:
    count = len(list(module.read_records(data.files)))
    chosen = np.random.default_rng(seed).random(count) < 0.7
    chosen[:2] = True, False
    return chosen


@settings(deadline=None, max_examples=8)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=2, max_size=40),
    batch_size=st.integers(1, 6),
    pool=st.integers(1, 4),
    padded=st.booleans(),
    kept=st.booleans(),
)
def test_an_epoch_has_every_fitted_sequence_once_and_no_other(
    tmp_path_factory, lengths, batch_size, pool, padded, kept
):
    """Of any number of sequences: also where the last pool, or the last batch, is full or nearly empty."""
    widths = (3, 6, 9) if padded else ()
    data = numbered(tmp_path_factory.mktemp("data"), lengths, batch_size=batch_size, widths=widths)
    chosen = chosen_of(data)
    part = data.part(chosen, 1000 if kept else 0)
    expected = {number + 1: lengths[number] for number in np.flatnonzero(chosen)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_POOL", pool)
        for batches in (drawn(part, 3, len(expected)), part.sorted(), part.in_order(), drawn(part, 4, 1)):
            with_weight = [row for row in rows(batches) if row[3] > 0]
            assert Counter(row[0] for row in with_weight) == Counter(expected.keys())
            assert all(length == expected[number] for number, length, _, _ in with_weight)
            assert all(target == 10 * number for number, _, target, _ in with_weight)


def test_every_sequence_is_in_one_part(transformed):
    data = data_of(transformed)
    everything = survey([transformed.files], transformed.output, data.inputs, LABEL)
    chosen = chosen_of(data)
    for mask, size in ((chosen, chosen.sum()), (~chosen, (~chosen).sum()), (None, len(everything))):
        batches = list(data.part(mask).sorted().as_numpy_iterator())
        assert sum(weight.sum() for _, _, weight in batches) == size


def test_inputs_and_targets_are_those_of_the_records(transformed):
    data = data_of(transformed)
    everything = survey([transformed.files], transformed.output, data.inputs, LABEL)
    records = list(zip(everything.series.tolist(), everything.labels.tolist(), strict=True))
    steps = np.concatenate([one["a"][-6:] for one in transformed.sequences])
    place = 0
    for inputs, target, weight in data.part(None).in_order().as_numpy_iterator():
        for row in np.flatnonzero(weight):
            name, label = records[place]
            raw = transformed.sequences[int(name)]
            expected = np.clip(len(raw["a"]), 0, 6)
            assert inputs["mask"][row].tolist() == [True] * expected + [False] * (
                inputs["mask"].shape[1] - expected
            )
            assert CLASSES[target[row]] == label.decode() == transformed.labels[int(name)]
            scores = np.nan_to_num((np.array(raw["a"][-6:]) - np.nanmean(steps)) / np.nanstd(steps))
            found = inputs["numbers"][row, :expected, data.inputs.numbers.index("a")]
            np.testing.assert_allclose(found, scores, rtol=1e-4, atol=1e-5)
            assert not inputs["numbers"][row, expected:].any()
            place += 1
    assert place == len(records)


def test_a_batch_s_sequences_are_of_similar_length(tmp_path):
    lengths = np.random.default_rng(2).geometric(0.02, 600).tolist()
    data = numbered(tmp_path, lengths, batch_size=8)
    part = data.part(None)
    apart = [lengths[at : at + 8] for at in range(0, 600, 8)]
    in_any_order = sum(max(2, *batch) * 8 - sum(batch) for batch in apart)
    assert padding(part.in_order()) == in_any_order
    assert padding(part.sorted()) < in_any_order / 4
    assert padding(drawn(part, 1, 600)) < in_any_order / 4


def test_batches_come_in_any_order_of_length(tmp_path):
    """Sorted ones would teach the short sequences first."""
    data = numbered(tmp_path, list(range(1, 121)))
    batches = drawn(data.part(None), 1, 120).as_numpy_iterator()
    longest = [int(inputs["mask"].sum(axis=1).max()) for inputs, _, _ in batches]
    assert longest != sorted(longest)
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.6


@pytest.mark.parametrize("seed", [0, 2**31 - 2])
@pytest.mark.parametrize("kept", [0, 1000], ids=["read anew", "kept"])
def test_an_epoch_s_order_is_that_of_its_seed(tmp_path, seed, kept):
    data = numbered(tmp_path, [1, 2, 3] * 100)
    part = data.part(None, kept)
    first = order(drawn(part, seed, 300))
    next_one = order(drawn(part, seed + 1, 300))
    assert first != next_one
    assert Counter(first) == Counter(next_one)
    assert order(drawn(part, seed, 300)) == first
    # As a run that goes on after a kill reads it:
    assert order(drawn(data.part(None, kept), seed, 300)) == first


@pytest.mark.parametrize("kept", [0, 1000], ids=["read anew", "kept"])
def test_an_epoch_s_order_is_that_of_its_number_whatever_was_read_before(tmp_path, kept):
    """So that a training that goes on after a kill meets what one that was not killed would have met."""
    data = numbered(tmp_path, [1, 2, 3] * 40)
    epochs = data.part(None, kept).epochs(120, 7)
    found = [order(epochs(number)) for number in range(3)]
    assert len({tuple(numbers) for numbers in found}) == 3
    assert all(sorted(numbers) == list(range(1, 121)) for numbers in found)
    assert order(data.part(None, kept).epochs(120, 7)(2)) == found[2]
    assert order(epochs(0)) == found[0]
    assert order(data.part(None, kept).epochs(120, 8)(2)) != found[2]


def test_few_long_sequences_are_sorted_together(tmp_path):
    """64 MiB of padded float32 hold 16 batches of 4 sequences of 2**18 steps."""
    assert numbered(tmp_path, [1], longest=2**18).pool == 16
    assert numbered(tmp_path, [1], longest=2**30).pool == 1
    assert numbered(tmp_path, [1], longest=10).pool == 32


def test_sequences_meet_others_in_another_epoch(tmp_path):
    part = numbered(tmp_path, [3] * 64).part(None)

    def together(epoch: int) -> set[frozenset[int]]:
        numbers = order(drawn(part, epoch, 64))
        return {frozenset(numbers[at : at + 4]) for at in range(0, 64, 4)}

    assert len(together(1) & together(2)) < 4


def test_a_buffer_that_holds_few_records_still_gives_each_one_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SHUFFLED", 7)
    part = numbered(tmp_path, [2] * 50).part(None)
    assert sorted(order(drawn(part, 1, 50))) == list(range(1, 51))
    assert order(drawn(part, 1, 50)) != order(drawn(part, 2, 50))


def test_large_records_fill_no_more_of_the_buffer_than_its_bytes(tmp_path, monkeypatch):
    """30 records of 10 bytes each; 60 bytes hold six of them: none comes much too early."""
    monkeypatch.setattr(module, "_SHUFFLED_BYTES", 60)
    monkeypatch.setattr(module, "_KEPT_BYTES", 0)
    monkeypatch.setattr(module, "_POOL", 1)
    part = numbered(tmp_path, [2] * 30, batch_size=1).part(None, 300)
    numbers = order(drawn(part, 1, 30))
    assert numbers != sorted(numbers)
    assert all(number <= place + 6 for place, number in enumerate(numbers, start=1))


def test_records_that_are_kept_are_read_once(tmp_path):
    data = numbered(tmp_path, [1, 2, 3])
    kept, unkept = data.part(None, 1000), data.part(None, 10**12)
    before = order(drawn(kept, 1, 3))
    (tmp_path / "numbered.gz").unlink()
    assert sorted(order(drawn(kept, 2, 3))) == sorted(before)
    with pytest.raises(tf.errors.NotFoundError):
        order(drawn(unkept, 1, 3))


def test_in_order_keeps_the_order_of_the_files(tmp_path):
    assert order(numbered(tmp_path, [5, 1, 4] * 9).part(None).in_order()) == list(range(1, 28))


@settings(deadline=None, max_examples=6)
@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=30), batch_size=st.integers(1, 5))
def test_with_widths_there_are_no_other_shapes_and_repeated_rows_weigh_nothing(
    tmp_path_factory, lengths, batch_size
):
    widths = (2, 5, 9)
    data = numbered(tmp_path_factory.mktemp("data"), lengths, batch_size=batch_size, widths=widths)
    part = data.part(None)
    for batches in (drawn(part, 1, len(lengths)), part.sorted(), part.in_order()):
        assert {inputs["mask"].shape[0] for inputs in [one for one, _, _ in batches]} == {batch_size}
        for inputs, target, weight in batches.as_numpy_iterator():
            longest = int(inputs["mask"].sum(axis=1).max())
            assert inputs["mask"].shape == (batch_size, min(width for width in widths if width >= longest))
            assert inputs["numbers"].shape == (*inputs["mask"].shape, 1)
            assert target.shape == (batch_size, 1)
            assert set(weight.tolist()) <= {0, 1}
        found = rows(batches)
        assert sum(weight for *_, weight in found) == len(lengths)
        assert len(found) == -(-len(lengths) // batch_size) * batch_size


def test_with_widths_the_number_of_rows_is_known_beforehand(tmp_path):
    data = numbered(tmp_path, [1, 2, 3], widths=(3,))
    inputs, _, _ = data.part(None).sorted().element_spec
    assert {one.shape[0] for one in inputs.values()} == {4}
    assert inputs["numbers"].shape[2] == 1


def test_a_label_of_two_classes_is_0_or_1(transformed):
    target = Target(Head("binary"), ("2", "z"))
    data = replace(data_of(transformed), target=target)
    everything = survey([transformed.files], transformed.output, data.inputs, LABEL)
    chosen = everything.labels != b"10"
    batches = data.part(chosen).in_order().as_numpy_iterator()
    labels = np.concatenate([target[weight > 0] for _, target, weight in batches])
    assert (labels.shape, labels.dtype) == ((chosen.sum(), 1), np.float32)
    assert labels[:, 0].tolist() == (everything.labels[chosen] == b"z").tolist()


def test_a_number_is_scaled(tmp_path):
    target = Target(Head("regression", 1, 4.0, 30.0))
    found = rows(numbered(tmp_path, [1] * 6, target=target).part(None).in_order())
    assert [value for _, _, value, weight in found if weight] == [
        (10 * number - 30) / 4 for number in range(1, 7)
    ]


def of_series(folder, series: list[list[float]], widths: tuple[int, ...] = ()) -> Data:
    """Series of one number, without a label."""
    path = str(folder / "series.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for steps in series:
            feature = tf.train.Feature(float_list=tf.train.FloatList(value=steps))
            features = tf.train.Features(feature={"number": feature})
            writer.write(tf.train.Example(features=features).SerializeToString())
    return Data([path], Numbered(None), NUMBERED, Target(Head("generation", 1)), None, 6, widths)


def test_a_missing_number_is_read_as_the_mean_and_not_learnt(tmp_path):
    data = of_series(tmp_path, [[1.0, np.nan, 3.0, 4.0], [np.nan, 2.0]])
    ((inputs, targets, weights),) = data.part(None).in_order().as_numpy_iterator()
    assert inputs["numbers"][0, :3, 0].tolist() == [1.0, 0.0, 3.0]
    assert inputs["numbers"][1, 0, 0] == 0.0
    assert weights[:2].tolist() == [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    assert targets[0, 1:, 0].tolist() == [3.0, 4.0]
    assert targets[1, 0, 0] == 2.0


@pytest.mark.parametrize("widths", [(), (4, 9)])
def test_generation_learns_the_next_number_of_every_step_that_has_one(tmp_path, widths):
    data = of_series(tmp_path, [[1.0, 2.0, 3.0], [7.0], [4.0, 5.0], []], widths)
    ((inputs, targets, weights),) = data.part(None).in_order().as_numpy_iterator()
    assert inputs["numbers"].shape[:2] == targets.shape[:2] == weights.shape == inputs["mask"].shape
    pairs = [
        [
            (inputs["numbers"][row, step, 0], targets[row, step, 0])
            for step in np.flatnonzero(weights[row])
            if inputs["mask"][row, step]
        ]
        for row in range(len(weights))
    ]
    assert pairs[:4] == [[(1, 2), (2, 3)], [], [(4, 5)], []]
    assert weights.sum() == 3


def test_generation_learns_the_next_token(spoken):
    inputs = read_inputs(spoken.output, LABEL)
    head = Head("generation", inputs.tokens["text"])
    data = Data([spoken.files], spoken.output, inputs, Target(head), None, 7)
    vocabulary = [one.decode() for one in spoken.output.vocabulary_by_name("tokens_text")]
    pairs = Counter()
    for features, target, weight in drawn(data.part(None), 1, 60).as_numpy_iterator():
        for row, step in zip(*np.nonzero(weight), strict=True):
            pairs[int(features["tokens"][row, step, 0]), int(target[row, step])] += 1
    number = {one: place + 2 for place, one in enumerate(vocabulary)}
    lines = {"\n": "\\n", "\\": "\\\\"}
    texts = [[number[lines.get(one, one)] for one in sequence["text"]] for sequence in spoken.sequences]
    assert pairs == Counter(pair for text in texts for pair in pairwise(text))


def test_a_part_without_sequences_has_no_batch(tmp_path):
    data = numbered(tmp_path, [1, 2])
    assert rows(data.part(np.array([False, False])).sorted()) == []
