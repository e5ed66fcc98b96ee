"""The survey tells of each sequence what stands in its record, in the order of the files."""

import gzip

import numpy as np
import pytest
import tensorflow as tf

from components.trainer import survey as module
from components.trainer.inputs import read_inputs
from components.trainer.survey import read_records, survey

LABEL = "kind"


@pytest.mark.parametrize("at_once", [4096, 5])
def test_each_sequence_has_its_length_label_and_id(transformed, monkeypatch, at_once):
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    found = survey([transformed.files], transformed.output, read_inputs(transformed.output, LABEL), LABEL)
    expected = {
        str(number).encode(): (min(6, len(sequence["a"])), label.encode())
        for number, (sequence, label) in enumerate(
            zip(transformed.sequences, transformed.labels, strict=True)
        )
    }
    assert len(found) == len(expected)
    rows = zip(found.series, found.lengths, found.labels, strict=True)
    assert {name: (length, label) for name, length, label in rows} == expected
    assert found.starts.tolist() == [0] * len(expected)
    assert found.record_bytes == sum(
        len(one) for one in read_records([transformed.files]).as_numpy_iterator()
    )


def test_a_number_is_a_label_too(measured):
    found = survey([measured.files], measured.output, read_inputs(measured.output, LABEL), LABEL)
    by_id = {int(name): label for name, label in zip(found.series, found.labels, strict=True)}
    assert [by_id[number] for number in range(len(by_id))] == pytest.approx(measured.labels, rel=1e-6)
    assert found.labels.dtype == np.float32


def test_without_a_label_all_labels_are_the_same(spoken):
    found = survey([spoken.files], spoken.output, read_inputs(spoken.output, LABEL), None)
    assert sorted(found.lengths) == sorted(len(one["text"]) for one in spoken.sequences)
    assert set(found.labels.tolist()) == {0}


def test_files_are_read_in_the_order_of_their_names(tmp_path):
    for name in ("b", "c", "a"):
        with tf.io.TFRecordWriter(str(tmp_path / f"{name}.gz"), "GZIP") as writer:
            writer.write(f"{name}1".encode())
            writer.write(f"{name}2".encode())
    found = read_records([str(tmp_path / "[bc].gz"), str(tmp_path / "a.gz")])
    assert list(found.as_numpy_iterator()) == [b"a1", b"a2", b"b1", b"b2", b"c1", b"c2"]


def test_an_empty_split_has_no_sequence(transformed, tmp_path):
    path = tmp_path / "none.gz"
    path.write_bytes(gzip.compress(b""))
    found = survey([str(path)], transformed.output, read_inputs(transformed.output, LABEL), LABEL)
    assert (len(found), len(found.labels), len(found.series), found.record_bytes) == (0, 0, 0, 0)
