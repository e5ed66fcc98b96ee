"""gRPC of the stand-in: the real server's codes and words, and it goes on."""

import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from tests.serving.conftest import (
    X,
    raised,
)

Code = grpc.StatusCode


def test_a_tensor_may_be_sent_in_any_form(asked):
    def ask(**fields):
        proto = TensorProto(dtype=1, **fields)
        proto.tensor_shape.dim.add(size=2)
        proto.tensor_shape.dim.add(size=2)
        return tf.make_ndarray(asked.predict(x=proto).outputs["y"]).tolist()

    content = np.array([1, 2, 3, 4], np.float32).tobytes()
    assert ask(tensor_content=content) == [[2, 4], [6, 8]]
    assert ask(float_val=[1, 2, 3, 4]) == [[2, 4], [6, 8]]
    assert ask(float_val=[1, 2]) == [[2, 4], [4, 4]]  # the last one stands for the rest
    assert ask() == [[0, 0], [0, 0]]
    assert raised(ask, tensor_content=b"1234") == (Code.INVALID_ARGUMENT, "tensor parsing error: x")


def test_a_shape_that_no_memory_holds_is_refused(asked):
    proto = TensorProto(dtype=1)
    for size in (2**20, 2**20):
        proto.tensor_shape.dim.add(size=size)
    assert raised(asked.predict, x=proto) == (Code.INVALID_ARGUMENT, "tensor parsing error: x")


GRPC_ERRORS = [
    ({"name": "other", "x": X}, Code.NOT_FOUND, "Servable not found for request: Latest(other)"),
    ({"version": 7, "x": X}, Code.NOT_FOUND, "Servable not found for request: Specific(m, 7)"),
    ({"label": "canary", "x": X}, Code.INVALID_ARGUMENT, "Unrecognized servable version label: canary"),
    ({"signature": "none", "x": X}, Code.FAILED_PRECONDITION, 'Serving signature key "none" not found.'),
    ({}, Code.INVALID_ARGUMENT, "input size does not match signature: 0!=1"),
    ({"x": X, "z": X}, Code.INVALID_ARGUMENT, "Sent extra: {z}. Missing but required: {}."),
    ({"z": X}, Code.INVALID_ARGUMENT, "Signature input alias: x"),
    ({"x": ["text"]}, Code.INVALID_ARGUMENT, "to be float but string is provided"),
    ({"x": X, "wanted": ["z"]}, Code.INVALID_ARGUMENT, "output tensor alias not found in signature: z"),
    ({"x": X, "wanted": ["y", "y"]}, Code.INVALID_ARGUMENT, "duplicate output tensor alias: y"),
    ({"name": "", "x": X}, Code.INVALID_ARGUMENT, "Missing ModelSpec"),
]  # fmt: skip


@pytest.mark.parametrize(("request_of", "code", "said"), GRPC_ERRORS)
def test_grpc_refuses_with_the_real_server_s_code_and_words(served, asked, request_of, code, said):
    got, details = raised(asked.predict, **request_of)
    assert got == code
    assert said in details
    assert served.answers()


def test_a_message_over_the_limit_is_refused(served, asked):
    code, _ = raised(asked.predict, x=np.zeros((1, 5_000_000), np.float32))
    assert code == Code.RESOURCE_EXHAUSTED
    assert served.answers()


def test_a_client_that_goes_away_in_the_middle_disturbs_nobody(served, asked):
    call = asked.prediction.Predict.future(
        predict_pb2.PredictRequest(
            model_spec={"name": "m", "signature_name": "slow"},
            inputs={"steps": tf.make_tensor_proto(np.int32(20000))},
        )
    )
    call.cancel()
    assert served.answers()


def test_the_client_s_deadline_stops_the_graph(served, asked):
    begin = time.monotonic()
    code, _ = raised(asked.predict, "slow", timeout=0.5, steps=np.int32(10**8))
    assert code == Code.DEADLINE_EXCEEDED
    assert time.monotonic() - begin < 30
    assert served.answers()


def test_what_the_stand_in_has_not_is_said(served, asked):
    spec = {"name": "m"}
    code, said = raised(asked.prediction.Classify, classification_pb2.ClassificationRequest(model_spec=spec))
    assert (code, "Was: tensorflow/serving/predict" in said) == (Code.INVALID_ARGUMENT, True)
    code, _ = raised(asked.prediction.Regress, regression_pb2.RegressionRequest(model_spec=spec))
    assert code == Code.INVALID_ARGUMENT
    code, _ = raised(asked.prediction.MultiInference, inference_pb2.MultiInferenceRequest())
    assert code == Code.UNIMPLEMENTED
    code, _ = raised(asked.status.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest())
    assert code == Code.UNIMPLEMENTED
    metadata = get_model_metadata_pb2.GetModelMetadataRequest
    code, said = raised(asked.prediction.GetModelMetadata, metadata(model_spec=spec))
    assert "at least one metadata_field" in said
    code, said = raised(
        asked.prediction.GetModelMetadata, metadata(model_spec=spec, metadata_field=["other"])
    )
    assert (code, said) == (Code.INVALID_ARGUMENT, "Metadata field other is not supported")
