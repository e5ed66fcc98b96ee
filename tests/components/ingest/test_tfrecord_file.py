"""TFRecords through ingest: tf.Example and tf.SequenceExample, plain and GZIP, whole and damaged."""

from pathlib import Path

import pytest
import tensorflow as tf

ORDER = {"by": "order", "eval_fraction": 0.5}
SEQUENCE = {"format": "tfrecord", "payload": "sequence_example", "label": "kind"}


def feature(values: list[object]) -> tf.train.Feature:
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def example(**features: list[object]) -> bytes:
    named = {name: feature(values) for name, values in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=named)).SerializeToString()


def sequence_example(context: dict[str, list[object]], **steps: list[object]) -> bytes:
    lists = {
        name: tf.train.FeatureList(feature=[feature([value]) for value in values])
        for name, values in steps.items()
    }
    return tf.train.SequenceExample(
        context=tf.train.Features(feature={name: feature(values) for name, values in context.items()}),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    ).SerializeToString()


def save(path: Path, records: list[bytes], compression: str = "") -> Path:
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)
    return path


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_an_example_is_a_sequence(tmp_path, ingest, compression):
    records = [example(kind=[b"p"], a=[1.0, 2.0], n=[3, 4]), example(kind=[b"q"], a=[5.0], n=[6])]
    path = save(tmp_path / "x.tfrecord", records, compression)
    found = ingest(path, data={"label": "kind"}, split=ORDER)
    assert found.manifest["features"] == {"a": "float", "n": "integer"}
    assert found.by_id()["x:1"] == {
        "sequence_id": [b"x:1"],
        "sequence_length": [2],
        "kind": [b"p"],
        "a": [1, 2],
        "n": [3, 4],
    }


def test_examples_of_one_id_are_the_steps_of_a_sequence(tmp_path, ingest):
    rows = [("x", 2, 0.5), ("y", 1, 0.75), ("x", 1, 0.25)]
    records = [example(id=[i.encode()], t=[t], kind=[b"p"], a=[a]) for i, t, a in rows]
    path = save(tmp_path / "x.tfrecord", records)
    found = ingest(path, data={"sequence_id": "id", "time": "t", "label": "kind"}, split=ORDER)
    assert found.by_id()["x"]["a"] == [0.25, 0.5]


def test_a_sequence_example_has_context_and_steps(tmp_path, ingest):
    records = [
        sequence_example({"kind": [b"p"], "age": [40.0]}, a=[1.0, 2.0], site=[b"n", b"s"]),
        sequence_example({"kind": [b"q"], "age": [50.0]}, a=[3.0], site=[b"n"]),
    ]
    found = ingest(save(tmp_path / "x.tfrecord", records), data=SEQUENCE, split=ORDER)
    row = found.by_id()["x:1"]
    assert (row["kind"], row["a"], row["site"]) == ([b"p"], [1, 2], [b"n", b"s"])
    assert row["age"] == [40, 40]  # what is known of the whole sequence is known at each step


def test_a_truncated_file_is_refused(tmp_path, refused):
    path = save(tmp_path / "x.tfrecord", [example(kind=[b"p"], a=[1.0] * 50)] * 20)
    path.write_bytes(path.read_bytes()[:-7])
    text = refused(path, data={"label": "kind"}, split=ORDER)
    assert f"{path}: cannot be read as TFRecord" in text


def test_a_truncated_gzip_is_refused(tmp_path, refused):
    path = save(tmp_path / "x.tfrecord", [example(kind=[b"p"], a=[i / 7]) for i in range(5000)], "GZIP")
    whole = path.read_bytes()
    path.write_bytes(whole[:-6])
    assert str(path) in refused(path, data={"label": "kind"}, split=ORDER)
    path.write_bytes(whole[: len(whole) // 2])
    assert str(path) in refused(path, data={"label": "kind"}, split=ORDER)


@pytest.mark.parametrize("content", [b"", b"id,t\n1,2\n", b"\x0a" * 400])
def test_what_is_no_tfrecord_is_refused(tmp_path, refused, content):
    path = tmp_path / "x.tfrecord"
    path.write_bytes(content)
    assert str(path) in refused(path, data={"label": "kind"})


def test_the_other_payload_is_refused_with_the_key_to_change(tmp_path, refused):
    plain = save(tmp_path / "plain.tfrecord", [example(kind=[b"p"], a=[1.0])] * 4)
    assert "data.payload" in refused(plain, data=SEQUENCE, split=ORDER)
    steps = save(tmp_path / "steps.tfrecord", [sequence_example({"kind": [b"p"]}, a=[1.0])] * 4)
    assert "data.payload" in refused(steps, data={"label": "kind"}, split=ORDER)


def test_a_record_that_is_no_example_is_refused(tmp_path, refused):
    path = save(tmp_path / "x.tfrecord", [example(kind=[b"p"], a=[1.0])] * 4 + [b"no proto at all"])
    assert "cannot be read as tf.Example" in refused(path, data={"label": "kind"}, split=ORDER)


def test_uneven_and_missing_features_are_named_by_their_record(tmp_path, refused):
    records = [
        example(kind=[b"p"], a=[1.0, 2.0], b=[1.0, 2.0]),
        example(kind=[b"p"], a=[1.0, 2.0], b=[1.0]),
        example(kind=[b"p"], b=[1.0]),
        example(a=[1.0], b=[1.0]),
    ]
    text = refused(save(tmp_path / "x.tfrecord", records), data={"label": "kind"}, split=ORDER)
    assert text.startswith("places that cannot be used: 3")
    assert "record 2, expected features of one length" in text
    assert "record 3, expected features of one length" in text
    assert "record 4, column kind: expected a class, got none" in text


def test_a_feature_that_first_occurs_late_is_not_dropped_silently(tmp_path, refused):
    records = [example(kind=[b"p"], a=[1.0])] * 1200 + [example(kind=[b"p"], a=[1.0], b=[2.0])]
    text = refused(save(tmp_path / "x.tfrecord", records), data={"label": "kind"}, split=ORDER)
    assert "feature 'b' is in none of the first records" in text
    assert "name all features in data.features" in text
