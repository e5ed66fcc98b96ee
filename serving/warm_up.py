"""Replays the requests that lie beside a model, before anyone else asks it."""

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.asking import DEFAULT_SIGNATURE
from serving.loader.errors import DATA_LOSS, INVALID, UNIMPLEMENTED, ServingError
from serving.loader.model import Model
from serving.tensor_protos import to_array

REQUESTS = Path("assets.extra", "tf_serving_warmup_requests")
MOST = 1000


def warm_up(model: Model, folder: Path) -> int:
    """Asks the model every stored request.

    Args:
      model: loaded from the folder.
      folder: of the version; it need not have any requests.

    Returns:
      How many there were.

    Raises:
      ServingError: one failed, there are more than 1,000, or the file is damaged.
    """
    path = folder / REQUESTS
    if not path.is_file():
        return 0
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            count += 1
            _replay(model, record, path)
            if count > MOST:
                raise ServingError(
                    INVALID, f"Number of warmup records exceeds the maximum ({MOST}) at {path}"
                )
    except tf.errors.DataLossError as error:
        raise ServingError(
            DATA_LOSS, f"{error.message}. Please verify your warmup data is in TFRecord format."
        ) from error
    return count


def _replay(model: Model, record: bytes, path: Path) -> None:
    try:
        log = prediction_log_pb2.PredictionLog.FromString(record)
    except Exception as error:
        raise ServingError(INVALID, f"Failed to parse warmup record: {record!r:.80} from {path}") from error
    if (kind := log.WhichOneof("log_type")) != "predict_log":
        raise ServingError(UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    request = log.predict_log.request
    inputs = {name: to_array(one, name) for name, one in request.inputs.items()}
    model.run(
        request.model_spec.signature_name or DEFAULT_SIGNATURE, inputs, list(request.output_filter) or None
    )
