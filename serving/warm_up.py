"""The requests that lie beside a model, which it is asked before anyone else asks it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.asking import DEFAULT_SIGNATURE
from serving.loader.errors import DATA_LOSS, INVALID, UNIMPLEMENTED, ServingError
from serving.loader.model import Model
from serving.tensor_protos import to_array

REQUESTS = Path("assets.extra", "tf_serving_warmup_requests")
MOST = 1000


@dataclass(frozen=True)
class Stored:
    """A stored request; `wanted` are the outputs that it asks for, None for all."""

    signature: str
    inputs: dict[str, npt.NDArray[Any]]
    wanted: list[str] | None


def stored_requests(folder: Path) -> Iterator[Stored]:
    """Reads the requests that lie beside a model; it need not have any.

    Args:
      folder: of the version.

    Raises:
      ServingError: one cannot be read, there are more than 1,000, or the file is damaged.
    """
    path = folder / REQUESTS
    if not path.is_file():
        return
    try:
        for place, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()):
            if place == MOST:
                raise ServingError(
                    INVALID, f"Number of warmup records exceeds the maximum ({MOST}) at {path}"
                )
            yield _request(record, path)
    except tf.errors.DataLossError as error:
        raise ServingError(
            DATA_LOSS, f"{error.message}. Please verify your warmup data is in TFRecord format."
        ) from error


def warm_up(model: Model, folder: Path) -> int:
    """Asks the model every stored request.

    Args:
      model: loaded from the folder.
      folder: of the version.

    Returns:
      How many there were.

    Raises:
      ServingError: one cannot be read or is not answered.
    """
    count = 0
    for request in stored_requests(folder):
        model.run(request.signature, request.inputs, request.wanted)
        count += 1
    return count


def _request(record: bytes, path: Path) -> Stored:
    try:
        log = prediction_log_pb2.PredictionLog.FromString(record)
    except Exception as error:
        raise ServingError(INVALID, f"Failed to parse warmup record: {record!r:.80} from {path}") from error
    if (kind := log.WhichOneof("log_type")) != "predict_log":
        raise ServingError(UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    request = log.predict_log.request
    inputs = {name: to_array(one, name) for name, one in request.inputs.items()}
    return Stored(
        request.model_spec.signature_name or DEFAULT_SIGNATURE, inputs, list(request.output_filter) or None
    )
