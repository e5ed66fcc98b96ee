"""Reads the warm-up requests of an export as TensorFlow Serving replays them."""

from pathlib import Path
from typing import Any

import numpy.typing as npt
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from components.trainer.beside import FOLDER
from components.trainer.warmup import MOST, WARMUP


class Unreadable(Exception):
    """A warm-up file that would fail the load."""


def read(folder: str) -> list[tuple[str, dict[str, npt.NDArray[Any]]]]:
    """Signature and inputs of each warm-up request; none where there is no file.

    Raises:
      Unreadable: a record is damaged, is no request, or there are too many.
    """
    path = Path(folder, FOLDER, WARMUP)
    if not path.is_file():
        return []
    found: list[tuple[str, dict[str, npt.NDArray[Any]]]] = []
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            inputs = {name: tf.make_ndarray(one) for name, one in request.inputs.items()}
            found.append((request.model_spec.signature_name or "serving_default", inputs))
    except (tf.errors.OpError, DecodeError, TypeError, ValueError) as error:
        raise Unreadable(
            f"warm-up request {len(found) + 1} is damaged: {str(error).splitlines()[0]}"
        ) from error
    if len(found) > MOST:
        raise Unreadable(f"{len(found):,} warm-up requests, of which the server takes at most {MOST:,}")
    return found
