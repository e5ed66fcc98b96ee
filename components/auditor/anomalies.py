"""Reads the ExampleAnomalies artifact of stock ExampleValidator."""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2

_FILE = "SchemaDiff.pb"


def read_anomalies(uri: str, splits: Sequence[str]) -> dict[str, anomalies_pb2.Anomalies]:
    """TFDV's Anomalies of each split."""
    found = {}
    for split in splits:
        with tf.io.gfile.GFile(f"{uri}/Split-{split}/{_FILE}", "rb") as file:
            found[split] = anomalies_pb2.Anomalies.FromString(file.read())
    return found
