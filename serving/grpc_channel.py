"""Asks a server by gRPC. TensorFlow, which its messages are made of, is imported with the first call."""

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from serving import call_errors
from serving.asked_model import Arrays, Asked, VersionStatus
from serving.loader.errors import ServingError
from serving.loader.signatures import Signature, signature_of
from serving.loader.tensors import STRING, numpy_kind
from serving.loopback import is_loopback

_ANY_SIZE = -1  # answers to large batches are larger than the 4 MB that gRPC takes by default
_RECONNECT_MS = (100, 1000)  # first and longest pause of the channel itself; ours come on top
_CONNECT_MS = 5_000  # time for one connection to come about


class GrpcChannel:
    """A connection by gRPC; threads may use it at the same time.

    Args:
      address: `host:port`.
      credentials: of grpc, for TLS; None is plain text.
      headers: sent with each call, such as an authorization.
    """

    def __init__(
        self, address: str, credentials: Any = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self._address, self._credentials = address, credentials
        self._headers = tuple((name.lower(), value) for name, value in (headers or {}).items())
        self._lock, self._opened = threading.Lock(), False

    def predict(
        self, asked: Asked, name: str, signature: Signature, inputs: Mapping[str, Any], timeout_s: float
    ) -> Arrays:
        """See `Channel`."""
        from tensorflow_serving.apis.predict_pb2 import PredictRequest

        from serving.tensor_protos import to_array

        request = PredictRequest()
        _specify(request.model_spec, asked)
        request.model_spec.signature_name = name
        for key, array in inputs.items():
            _fill(request.inputs[key], np.asarray(array), signature.inputs[key].kind)
        answer = self._call(lambda: self._prediction.Predict, request, timeout_s)
        try:
            return {key: to_array(tensor, key) for key, tensor in answer.outputs.items()}
        except ServingError as error:
            raise call_errors.ServerFailed(str(error)) from error

    def signatures(self, asked: Asked, timeout_s: float) -> dict[str, Signature]:
        """See `Channel`."""
        from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap

        request = GetModelMetadataRequest(metadata_field=["signature_def"])
        _specify(request.model_spec, asked)
        answer = self._call(lambda: self._prediction.GetModelMetadata, request, timeout_s)
        found = SignatureDefMap()
        answer.metadata["signature_def"].Unpack(found)
        return {name: signature_of(one) for name, one in found.signature_def.items()}

    def status(self, asked: Asked, timeout_s: float) -> list[VersionStatus]:
        """See `Channel`."""
        from tensorflow_serving.apis.get_model_status_pb2 import (
            GetModelStatusRequest,
            ModelVersionStatus,
        )

        request = GetModelStatusRequest()
        _specify(request.model_spec, asked)
        answer = self._call(lambda: self._models.GetModelStatus, request, timeout_s)
        return [
            VersionStatus(one.version, ModelVersionStatus.State.Name(one.state), one.status.error_message)
            for one in answer.model_version_status
        ]

    def close(self) -> None:
        """See `Channel`."""
        with self._lock:
            if self._opened:
                self._channel.close()

    @functools.cached_property
    def _prediction(self) -> Any:
        from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

        return PredictionServiceStub(self._channel)

    @functools.cached_property
    def _models(self) -> Any:
        from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

        return ModelServiceStub(self._channel)

    @functools.cached_property
    def _channel(self) -> Any:
        import grpc

        options = [
            ("grpc.max_receive_message_length", _ANY_SIZE),
            ("grpc.max_send_message_length", _ANY_SIZE),
            ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MS[0]),
            ("grpc.min_reconnect_backoff_ms", _CONNECT_MS),  # no pause: how long a connection may take
            ("grpc.max_reconnect_backoff_ms", _RECONNECT_MS[1]),
            ("grpc.enable_retries", 0),  # the client does it, the same way for REST
            ("grpc.enable_http_proxy", 0 if is_loopback(self._address) else 1),
        ]
        self._opened = True
        if self._credentials is None:
            return grpc.insecure_channel(self._address, options)
        return grpc.secure_channel(self._address, self._credentials, options)

    def _call(self, method: Callable[[], Any], request: Any, timeout_s: float) -> Any:
        import grpc

        with self._lock:  # one channel and one stub, also for threads that come at once
            ask = method()
        try:
            return ask(request, timeout=timeout_s, metadata=self._headers)
        except grpc.RpcError as error:
            raise call_errors.of_code(error.code().name, error.details() or "") from error
        except ValueError as error:  # gRPC's own word for a channel that was closed
            raise call_errors.BadRequest(str(error), "FAILED_PRECONDITION") from error


def _specify(spec: Any, asked: Asked) -> None:
    spec.name = asked.name
    if asked.version is not None:
        spec.version.value = asked.version
    elif asked.label is not None:
        spec.version_label = asked.label


def _fill(tensor: Any, array: npt.NDArray[Any], kind: int) -> None:
    """Writes an array into a TensorProto."""
    tensor.dtype = kind
    for size in array.shape:
        tensor.tensor_shape.dim.add().size = size
    if kind == STRING:
        tensor.string_val.extend(array.ravel().tolist())
    else:
        tensor.tensor_content = np.ascontiguousarray(array, numpy_kind(kind)).tobytes()
