"""Tiny sequences put through the real Transform, shared by the tests of what comes before and after."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from tensorflow_transform.tf_metadata import metadata_io

from components.trainer.inputs import read_inputs
from components.trainer.model import Head
from components.trainer.target import Target
from components.transform.preprocessing import preprocessing_fn

LABEL, MAX_LENGTH = "kind", 6
WHOLE = "b"  # an integer feature, of numbers that float32 would round
ODD = "2nd (°C)"  # a constant feature, with a name that no TensorFlow argument may have


Row = dict[str, list]  # feature to its values


@dataclass(frozen=True)
class Transformed:
    """Raw sequences, and where Transform left its output."""

    sequences: list[Row]
    labels: list
    output: tft.TFTransformOutput
    files: str


def raw_example(sequence: Row) -> bytes:
    return tf.train.Example(
        features=tf.train.Features(feature={name: _feature(name, steps) for name, steps in sequence.items()})
    ).SerializeToString()


def _feature(name: str, steps: list) -> tf.train.Feature:
    if not steps:
        return tf.train.Feature()
    if any(isinstance(step, str | bytes) for step in steps):
        texts = [step.encode() if isinstance(step, str) else step for step in steps]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=texts))
    if name in (WHOLE, "step_time"):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=map(int, steps)))
    return tf.train.Feature(float_list=tf.train.FloatList(value=steps))


def put_through(
    folder: Path, sequences: list[Row], labels: list | None, kinds: dict[str, tf.DType], **settings: object
) -> Transformed:
    """Transforms sequences as the pipeline would, with the names and settings of a configuration."""
    spec = {name: tf.io.VarLenFeature(kind) for name, kind in kinds.items()}
    spec |= {"sequence_id": tf.io.VarLenFeature(tf.string), "step_time": tf.io.VarLenFeature(tf.int64)}
    rows = [
        {"step_time": [1], **sequence, "sequence_id": [str(number)]}
        for number, sequence in enumerate(sequences)
    ]
    for row, label in zip(rows, labels or (), strict=False):
        row[LABEL] = [label]
    rows = [
        {
            name: [one.encode() if isinstance(one, str) else one for one in values]
            for name, values in row.items()
        }
        for row in rows
    ]
    defaults = {"task": "multiclass", "label": LABEL, "texts": [], "slices": [], "max_length": None}
    defaults |= {"timed": False, "truncate": "last", "vocabulary": 1000, "code": ""}
    function = partial(preprocessing_fn, custom_config={**defaults, **settings})
    with beam.Pipeline(runner=FnApiRunner()) as pipeline, tft_beam.Context(temp_dir=str(folder / "tmp")):
        raw = pipeline | beam.Create(rows), tft.DatasetMetadata.from_feature_spec(spec)
        (data, metadata), transform = raw | tft_beam.AnalyzeAndTransformDataset(function)
        coder = tft.coders.ExampleProtoCoder(metadata.schema)
        _ = transform | tft_beam.WriteTransformFn(str(folder / "output"))
        encoded = data | beam.Map(coder.encode)
        _ = encoded | beam.io.WriteToTFRecord(str(folder / "part"), file_name_suffix=".gz")
    metadata_io.write_metadata(raw[1], str(folder / "output" / tft.TFTransformOutput.RAW_METADATA_DIR))
    output = tft.TFTransformOutput(str(folder / "output"))
    return Transformed(sequences, list(labels or ()), output, str(folder / "part*.gz"))


def some_sequences() -> tuple[list[Row], list[str]]:
    random = np.random.default_rng(5)
    sequences = []
    for length in [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12] * 3:
        a = random.normal(50, 20, length).round(3).tolist()
        whole = (2**40 + random.integers(0, 9, length)).tolist()
        sequences.append({"a": a, WHOLE: whole, ODD: [0.1] * length})
    sequences[4]["a"][2] = float("nan")
    labels = [["z", "10", "2"][i % 3] for i in range(len(sequences))]
    return sequences, labels


NUMBERS = {"a": tf.float32, WHOLE: tf.int64, ODD: tf.float32}


@pytest.fixture(scope="session")
def transformed(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    """Numbers in three classes, with a column kept only to slice by."""
    sequences, labels = some_sequences()
    kinds = {**NUMBERS, LABEL: tf.string, "site": tf.string}
    found = put_through(
        tmp_path_factory.mktemp("numbers"),
        [{**one, "site": ["here"]} for one in sequences],
        labels,
        kinds,
        slices=["site"],
        max_length=MAX_LENGTH,
    )
    return replace(found, sequences=sequences)


WORDS = ["good", "bad", "Ünder", "the", "film"]


@pytest.fixture(scope="session")
def worded(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    """A text, a category and a number at each step, in two classes."""
    random = np.random.default_rng(8)
    sequences, labels = [], []
    for number in range(40):
        steps = int(random.integers(1, 4))
        notes = [" ".join(random.choice(WORDS, random.integers(0, 5))) for _ in range(steps)]
        sequences.append(
            {
                "note": notes,
                "colour": random.choice(["red", "green", "new\nline"], steps).tolist(),
                "x": random.normal(3, 2, steps).round(3).tolist(),
            }
        )
        labels.append(["yes", "no"][number % 2])
    kinds = {"note": tf.string, "colour": tf.string, "x": tf.float32, LABEL: tf.string}
    return put_through(
        tmp_path_factory.mktemp("words"),
        sequences,
        labels,
        kinds,
        task="binary",
        texts=["note"],
        max_length=9,
    )


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    """Numbers, and a number as label."""
    sequences, _ = some_sequences()
    labels = [float(np.nansum(one["a"])) for one in sequences]
    return put_through(
        tmp_path_factory.mktemp("regression"),
        sequences,
        labels,
        {**NUMBERS, LABEL: tf.float32},
        task="regression",
    )


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    """Characters, each a step, without a label."""
    text = "the cat\nsat on the mat \\ " * 12
    sequences = [{"text": list(text[at : at + 8])} for at in range(0, len(text) - 8, 5)]
    sequences += [{"text": list(text[:length])} for length in (1, 2, 3)]
    return put_through(
        tmp_path_factory.mktemp("characters"), sequences, None, {"text": tf.string}, task="generation"
    )


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    """Numbers at each step, without a label."""
    sequences, _ = some_sequences()
    return put_through(tmp_path_factory.mktemp("series"), sequences, None, NUMBERS, task="generation")


def _export(transformed: Transformed, head: Head, classes: tuple[str, ...], folder: Path, **changes: object):
    from tests.components.exported import Exported  # which needs this module

    return Exported(transformed, Target(head, classes), folder / "model", **changes)


@pytest.fixture(scope="session")
def multiclass(transformed, tmp_path_factory):
    """Each of these is an `Exported`: a model with drawn weights, beside its export."""
    folder = tmp_path_factory.mktemp("multiclass")
    return _export(transformed, Head("multiclass", 3), ("2", "10", "z"), folder, bidirectional=True)


@pytest.fixture(scope="session")
def binary(worded, tmp_path_factory):
    return _export(worded, Head("binary"), ("no", "yes"), tmp_path_factory.mktemp("binary"))


@pytest.fixture(scope="session")
def regression(measured, tmp_path_factory):
    folder = tmp_path_factory.mktemp("regression")
    return _export(measured, Head("regression", 1, 120.0, 300.0), (), folder)


@pytest.fixture(scope="session")
def characters(spoken, tmp_path_factory):
    (size,) = read_inputs(spoken.output, LABEL).tokens.values()
    folder = tmp_path_factory.mktemp("generation")
    return _export(spoken, Head("generation", size), (), folder, units=(6, 5))


@pytest.fixture(scope="session")
def numbers(series, tmp_path_factory):
    return _export(series, Head("generation", 3), (), tmp_path_factory.mktemp("numbers"))
