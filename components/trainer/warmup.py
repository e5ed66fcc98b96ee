"""Warm-up requests: what TensorFlow Serving asks a model before it lets anyone else do so."""

from collections.abc import Iterable

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from components.trainer.requests import Request

WARMUP = "tf_serving_warmup_requests"  # in assets.extra; at most 1,000 of them


def write_warmup(path: str, asked: Iterable[Request]) -> None:
    """Writes requests as TensorFlow Serving replays them: a TFRecord of PredictionLog."""
    with tf.io.TFRecordWriter(path) as file:
        for request in asked:
            file.write(_record(request).SerializeToString())


def _record(request: Request) -> prediction_log_pb2.PredictionLog:
    message = predict_pb2.PredictRequest()
    message.model_spec.signature_name = request.signature
    for name, array in request.inputs.items():
        message.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=message))
