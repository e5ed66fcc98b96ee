"""A version is asked its warm-up requests before anyone else asks it."""

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    predict_pb2,
    prediction_log_pb2,
)

from tests.serving.conftest import (
    X,
    put,
    save_model,
)

Code = grpc.StatusCode


def warm(folder, records: list[bytes]) -> None:
    (folder / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        for record in records:
            writer.write(record)


def log_of(**inputs) -> bytes:
    request = predict_pb2.PredictRequest(model_spec={"name": "m"})
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return prediction_log_pb2.PredictionLog(predict_log={"request": request}).SerializeToString()


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([log_of(x=X)] * 3, ""),
        ([log_of(x=X), log_of(z=X)], "Signature input alias: x"),
        ([log_of(x=X)] * 1001, "Number of warmup records exceeds the maximum (1000)"),
        ([b"\xff\xff"], "Failed to parse warmup record"),
        ([prediction_log_pb2.PredictionLog(classify_log={}).SerializeToString()], "Unsupported log_type"),
    ],
)  # fmt: skip
def test_a_version_is_asked_its_warm_up_requests_first(serve, tmp_path, records, said):
    folder = save_model(tmp_path / "model")
    warm(folder, records)
    one = serve()
    put(folder, tmp_path / "m", 1)
    one.wait(1, "END" if said else "AVAILABLE")
    assert said in one.states()[1].message


def test_a_damaged_warm_up_file_fails_the_load(serve, tmp_path):
    folder = save_model(tmp_path / "model")
    warm(folder, [log_of(x=X)] * 2)
    file = folder / "assets.extra" / "tf_serving_warmup_requests"
    file.write_bytes(file.read_bytes()[:-3])
    one = serve()
    put(folder, tmp_path / "m", 1)
    one.wait(1, "END")
    assert "Please verify your warmup data is in TFRecord format." in one.states()[1].message
