"""The preprocessing graph against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from components.transform.preprocessing import feature_names, pad, preprocessing_fn
from pipeline.errors import DataRefused
from tests.components.conftest import LABEL, MAX_LENGTH, ODD, raw_example


def apply(transformed, sequences: list[dict[str, list[float]]]) -> dict[str, object]:
    raw = transformed.output.raw_feature_spec()
    spec = {name: raw[name] for name in feature_names(raw, LABEL)}
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
    assert feature_names(transformed.output.raw_feature_spec(), LABEL) == sorted(["a", "b", ODD])
    assert "site" not in transformed.output.transformed_feature_spec()


def test_text_that_no_model_reads_yet_is_refused():
    texts = {name: tf.sparse.from_dense([["x"]]) for name in ("kind", "site", "review", "sequence_id")}
    with pytest.raises(DataRefused, match="no model can read yet") as caught:
        preprocessing_fn(
            texts, {"label": "kind", "slices": ["site"], "max_length": 1, "truncate": "", "code": ""}
        )
    assert caught.value.problems == ("review: expected numbers, got text; put it in data.ignore",)


def test_a_missing_value_and_a_constant_feature_become_zero(transformed):
    found = apply(transformed, transformed.sequences)
    assert tf.RaggedTensor.from_sparse(found["a"])[4].numpy()[2] == 0
    assert not np.any(found[ODD].values)
    new = apply(transformed, [{"a": [50.0], "b": [-3.0], ODD: [0.2]}])
    assert not np.any(new[ODD].values)  # no division by the rounding of a mean


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


@pytest.mark.parametrize("lengths", [[1], [3, 1, 2], [5, 5]])
def test_padding_is_masked_and_steps_stand_where_they_were(lengths):
    random = np.random.default_rng(0)
    values = {name: [random.normal(size=n).astype(np.float32) for n in lengths] for name in ("x", "y")}
    sparse = {name: tf.ragged.constant(rows, inner_shape=()).to_sparse() for name, rows in values.items()}
    steps, mask = pad(sparse)
    assert steps.shape == (len(lengths), max(lengths), 2)
    np.testing.assert_array_equal(mask, np.arange(max(lengths)) < np.array(lengths)[:, None])
    for row, length in enumerate(lengths):
        np.testing.assert_array_equal(steps[row, :length, 1], values["y"][row])
        assert not np.any(steps[row, length:])
