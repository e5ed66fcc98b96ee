"""Tiny sequences put through the real Transform, shared by the tests of what comes before and after."""

from dataclasses import dataclass
from functools import partial

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from tensorflow_transform.tf_metadata import metadata_io

from components.transform.preprocessing import preprocessing_fn

LABEL, MAX_LENGTH = "kind", 6
WHOLE = "b"  # an integer feature, of numbers that float32 would round
ODD = "2nd (°C)"  # a constant feature, with a name that no TensorFlow argument may have


@dataclass(frozen=True)
class Transformed:
    """Raw sequences, and where Transform left its output."""

    sequences: list[dict[str, list[float]]]
    labels: list[str]
    output: tft.TFTransformOutput
    files: str


def raw_example(sequence: dict[str, list[float]], label: str | None = None) -> bytes:
    features = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=map(int, steps)))
        if name == WHOLE
        else tf.train.Feature(float_list=tf.train.FloatList(value=steps))
        for name, steps in sequence.items()
    }
    if label is not None:
        features[LABEL] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[label.encode()]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def some_sequences() -> tuple[list[dict[str, list[float]]], list[str]]:
    random = np.random.default_rng(5)
    sequences = []
    for length in [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12] * 3:
        a = random.normal(50, 20, length).round(3).tolist()
        whole = (2**40 + random.integers(0, 9, length)).tolist()
        sequences.append({"a": a, WHOLE: whole, ODD: [0.1] * length})
    sequences[4]["a"][2] = float("nan")
    labels = [["z", "10", "2"][i % 3] for i in range(len(sequences))]
    return sequences, labels


@pytest.fixture(scope="session")
def transformed(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    sequences, labels = some_sequences()
    folder = tmp_path_factory.mktemp("transform")
    spec = {name: tf.io.VarLenFeature(tf.int64 if name == WHOLE else tf.float32) for name in sequences[0]}
    spec |= {LABEL: tf.io.VarLenFeature(tf.string), "sequence_id": tf.io.VarLenFeature(tf.string)}
    spec |= {"step_time": tf.io.VarLenFeature(tf.int64), "site": tf.io.VarLenFeature(tf.string)}
    beside = {"step_time": [1], "site": [b"here"]}
    rows = [
        {**sequence, **beside, LABEL: [label.encode()], "sequence_id": [str(i).encode()]}
        for i, (sequence, label) in enumerate(zip(sequences, labels, strict=True))
    ]
    function = partial(
        preprocessing_fn,
        custom_config={
            "label": LABEL,
            "slices": ["site"],
            "max_length": MAX_LENGTH,
            "truncate": "last",
            "code": "",
        },
    )
    with beam.Pipeline(runner=FnApiRunner()) as pipeline, tft_beam.Context(temp_dir=str(folder / "tmp")):
        raw = pipeline | beam.Create(rows), tft.DatasetMetadata.from_feature_spec(spec)
        (data, metadata), transform = raw | tft_beam.AnalyzeAndTransformDataset(function)
        coder = tft.coders.ExampleProtoCoder(metadata.schema)
        _ = transform | tft_beam.WriteTransformFn(str(folder / "output"))
        encoded = data | beam.Map(coder.encode)
        _ = encoded | beam.io.WriteToTFRecord(str(folder / "part"), file_name_suffix=".gz")
    metadata_io.write_metadata(raw[1], str(folder / "output" / tft.TFTransformOutput.RAW_METADATA_DIR))
    return Transformed(
        sequences, labels, tft.TFTransformOutput(str(folder / "output")), str(folder / "part*.gz")
    )
