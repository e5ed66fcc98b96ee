"""The preprocessing graph against NumPy."""

import numpy as np
import tensorflow as tf

from components.transform.preprocessing import feature_names
from components.transform.tokens import of_one_line
from tests.components.conftest import LABEL, MAX_LENGTH, ODD, WHOLE, put_through, raw_example


def apply(transformed, sequences: list[dict[str, list[float]]]) -> dict[str, object]:
    raw = transformed.output.raw_feature_spec()
    spec = {name: raw[name] for name in feature_names(raw, LABEL, ["site"])}
    parsed = tf.io.parse_example([raw_example(one) for one in sequences], spec)
    return transformed.output.transform_features_layer()(parsed)


def kept(transformed, name: str) -> list[np.ndarray]:
    return [np.float64(one[name][-MAX_LENGTH:]) for one in transformed.sequences]


def test_z_scores_use_mean_and_deviation_of_all_training_steps(transformed):
    found = apply(transformed, transformed.sequences)
    for name in ("a", "b"):
        steps = kept(transformed, name)
        known = np.concatenate(steps)
        known = known[~np.isnan(known)].astype(np.float64)
        expected = [np.nan_to_num((one - known.mean()) / known.std()) for one in steps]
        rows = tf.RaggedTensor.from_sparse(found[name]).to_list()
        assert [len(row) for row in rows] == [len(row) for row in expected]
        np.testing.assert_allclose(np.concatenate(rows), np.concatenate(expected), atol=1e-5)


def test_what_ingest_writes_beside_the_features_is_no_feature(transformed):
    raw = transformed.output.raw_feature_spec()
    assert feature_names(raw, LABEL, ["site"]) == sorted(["a", "b", ODD])
    assert "site" not in transformed.output.transformed_feature_spec()


def test_a_missing_value_and_a_constant_feature_become_zero(transformed):
    found = apply(transformed, transformed.sequences)
    assert tf.RaggedTensor.from_sparse(found["a"])[4].numpy()[2] == 0
    assert not np.any(found[ODD].values)
    new = apply(transformed, [{"a": [50.0], "b": [-3.0], ODD: [0.2]}])
    assert not np.any(new[ODD].values)  # no division by the rounding of a mean


def test_what_is_to_be_continued_keeps_its_missing_values_apart(series):
    found = apply(series, series.sequences)
    scores = tf.RaggedTensor.from_sparse(found["a"])[4].numpy()
    assert np.isnan(series.sequences[4]["a"]).tolist() == np.isnan(scores).tolist()
    assert np.isnan(scores).sum() == 1


def test_new_values_are_scaled_by_the_training_split(transformed):
    one = {"a": [50.0], "b": [-3.0], ODD: [0.1]}
    alone = apply(transformed, [one])["a"].values.numpy()
    among = apply(transformed, [one, {"a": [1e6] * 5, "b": [0.0] * 5, ODD: [0.0] * 5}])["a"].values.numpy()
    assert alone[0] == among[0]


def test_longer_sequences_keep_their_last_steps(transformed):
    steps = {name: list(map(float, range(20))) for name in ("a", "b", ODD)}
    ends = {name: values[-MAX_LENGTH:] for name, values in steps.items()}
    long, cut = apply(transformed, [steps])["a"].values, apply(transformed, [ends])["a"].values
    np.testing.assert_array_equal(long, cut)


def test_length_buckets_are_quarters_of_the_training_lengths(transformed):
    lengths = np.array([len(one["a"]) for one in transformed.sequences])
    names = [name.decode() for name in apply(transformed, transformed.sequences)["sequence_length"].numpy()]
    counts = {name: names.count(name) for name in names}
    assert sum(counts.values()) == len(lengths)
    assert len(counts) == 4
    for name, length in zip(names, lengths, strict=True):
        low, _, high = name.removesuffix("+").partition("-")
        assert int(low) <= length
        assert name.endswith("+") or length <= int(high or low)


def ids_and_words(worded) -> tuple[dict[int, str], list[list[int]]]:
    """What each id of the text feature stands for, and the ids of all sequences."""
    vocabulary = [line.decode() for line in worded.output.vocabulary_by_name("tokens_note")]
    found = apply(worded, worded.sequences)["note"]
    return dict(enumerate(vocabulary, start=2)), tf.RaggedTensor.from_sparse(found).to_list()


def test_each_word_is_a_step_and_the_others_stand_beside_it(worded):
    meaning, notes = ids_and_words(worded)
    found = apply(worded, worded.sequences)
    colours = tf.RaggedTensor.from_sparse(found["colour"]).to_list()
    for place, one in enumerate(worded.sequences):
        words = [word.lower() for note in one["note"] for word in (note.split() or ["?"])][-9:]
        assert [meaning.get(id_, "?") for id_ in notes[place]] == words
        assert len(colours[place]) == len(words)


def spread(one: dict) -> list[int]:
    return [max(1, len(note.split())) for note in one["note"]]


def test_the_mean_is_of_the_steps_a_model_sees(worded):
    kept = np.concatenate([np.repeat(one["x"], spread(one))[-9:] for one in worded.sequences])
    found = apply(worded, worded.sequences)["x"].values.numpy()
    np.testing.assert_allclose(found, (kept - kept.mean()) / kept.std(), atol=1e-5)


def test_a_word_that_training_did_not_see_and_an_empty_text_are_unknown(worded):
    new = {"note": ["good unheard-of", ""], "colour": ["red", "blue"], "x": [1.0, 2.0]}
    found = apply(worded, [new])["note"].values.numpy()
    assert found[0] >= 2
    assert found[1:].tolist() == [1, 1, 1, 1]  # unheard, -, of, nothing
    assert apply(worded, [new])["colour"].values.numpy().tolist()[-1] == 1


def test_a_category_of_two_lines_is_one_token(worded):
    lines = worded.output.vocabulary_by_name("tokens_colour")
    assert sorted(lines) == [b"green", b"new\\nline", b"red"]


def test_a_token_that_occurs_once_is_unknown_so_that_unknown_is_learnt(tmp_path):
    rows = [{"word": ["often", "often", "once"]}]
    found = put_through(tmp_path, rows, ["a"], {"word": tf.string, LABEL: tf.string})
    assert found.output.vocabulary_by_name("tokens_word") == [b"often"]
    assert apply(found, rows)["word"].values.numpy().tolist() == [2, 2, 1]


def test_only_the_most_frequent_tokens_are_kept(tmp_path):
    rows = [{"word": ["a"] * 4 + ["b"] * 3 + ["c"] * 2}]
    kinds = {"word": tf.string, LABEL: tf.string}
    found = put_through(tmp_path, rows, ["a"], kinds, vocabulary=2)
    assert found.output.vocabulary_by_name("tokens_word") == [b"a", b"b"]


def test_features_of_unequal_length_are_missing_at_the_end(transformed):
    uneven = {"a": [50.0], WHOLE: [2**40] * 3, ODD: [0.1] * 2}
    found = apply(transformed, [uneven])
    assert found["a"].values.shape == (3,)
    assert found["a"].values.numpy()[1:].tolist() == [0, 0]


def test_characters_are_steps_and_line_ends_are_characters(spoken):
    vocabulary = [line.decode() for line in spoken.output.vocabulary_by_name("tokens_text")]
    assert {"\\n", " ", "\\\\", "t"} <= set(vocabulary)
    meaning = dict(enumerate(map(of_one_line, vocabulary), start=2))
    found = tf.RaggedTensor.from_sparse(apply(spoken, spoken.sequences)["text"]).to_list()
    assert [[meaning[id_] for id_ in row] for row in found] == [one["text"] for one in spoken.sequences]
