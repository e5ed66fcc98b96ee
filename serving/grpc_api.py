"""The gRPC services of TensorFlow Serving: predict, metadata and status."""

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.asked_model import Asked
from serving.asking import DEFAULT_SIGNATURE, Asking
from serving.loader.errors import DEADLINE_EXCEEDED, INVALID, ServingError
from serving.loader.signatures import Signature, Tensor
from serving.method_names import refuse_method
from serving.status import chosen_states
from serving.tensor_protos import to_array, to_proto

SIGNATURE_DEF = "signature_def"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def make_server(asking: Asking, threads: int, most_bytes: int) -> Any:
    """A gRPC server with both services, bound to nothing yet.

    Args:
      asking: answers requests.
      threads: requests that are worked on at the same time; eight times as many may wait.
      most_bytes: of a request.
    """
    server = grpc.server(
        futures.ThreadPoolExecutor(threads, "grpc"),
        options=[
            ("grpc.max_receive_message_length", most_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
        maximum_concurrent_rpcs=9 * threads,
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Prediction(asking), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Status(asking), server)
    return server


@contextmanager
def _errors_to(context: grpc.ServicerContext) -> Iterator[None]:
    try:
        yield
    except ServingError as error:
        context.abort(_CODES.get(error.code, grpc.StatusCode.UNKNOWN), str(error))


class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    """PredictionService."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answers a signature."""
        spec = _spec(request.model_spec)
        with _errors_to(context), self._asking.counted(spec, "GRPC"), self._asking.use(spec) as held:
            signature = request.model_spec.signature_name or DEFAULT_SIGNATURE
            inputs = {name: to_array(one, name) for name, one in request.inputs.items()}
            answer = self._asking.predict(
                held, signature, inputs, list(request.output_filter), _left_s(context)
            )
            response = predict_pb2.PredictResponse()
            for name, array in answer.items():
                response.outputs[name].CopyFrom(to_proto(array))
            response.model_spec.name = spec.name
            response.model_spec.version.value = held.version
            response.model_spec.signature_name = signature
            return response

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answers the signatures."""
        spec = _spec(request.model_spec)
        with _errors_to(context):
            _check_fields(list(request.metadata_field))
            with self._asking.use(spec) as held:
                response = get_model_metadata_pb2.GetModelMetadataResponse()
                response.model_spec.name = spec.name
                response.model_spec.version.value = held.version
                found = get_model_metadata_pb2.SignatureDefMap()
                for name, one in held.model.signatures.items():
                    found.signature_def[name].CopyFrom(signature_def(one))
                response.metadata[SIGNATURE_DEF].Pack(found)
                return response

    def Classify(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Refuses: an export of Sluice has no signature of this method."""
        self._refuse(request, context, "classify")

    def Regress(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Refuses: an export of Sluice has no signature of this method."""
        self._refuse(request, context, "regress")

    def MultiInference(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802
        """Refuses: the stand-in has no such method."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "the stand-in does not answer MultiInference")

    def _refuse(self, request: Any, context: grpc.ServicerContext, method: str) -> None:
        with _errors_to(context), self._asking.use(_spec(request.model_spec)) as held:
            refuse_method(held, request.model_spec.signature_name or DEFAULT_SIGNATURE, method)


class Status(model_service_pb2_grpc.ModelServiceServicer):
    """ModelService."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answers the state of each version."""
        with _errors_to(context):
            response = get_model_status_pb2.GetModelStatusResponse()
            for version, state in chosen_states(self._asking.versions, _spec(request.model_spec)).items():
                one = response.model_version_status.add(version=version, state=state.name)
                one.status.error_code, one.status.error_message = state.code, state.message
            return response

    def HandleReloadConfigRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802
        """Refuses: the stand-in serves the one model it was started for."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "the stand-in does not reload its configuration")


def signature_def(signature: Signature) -> Any:
    """A SignatureDef message."""
    message = meta_graph_pb2.SignatureDef(method_name=signature.method)
    for tensors, infos in ((signature.inputs, message.inputs), (signature.outputs, message.outputs)):
        for name, tensor in tensors.items():
            _fill(infos[name], tensor)
    return message


def _fill(info: Any, tensor: Tensor) -> None:
    info.name, info.dtype = tensor.name, tensor.kind
    if tensor.shape is None:
        info.tensor_shape.unknown_rank = True
        return
    info.tensor_shape.SetInParent()
    for size in tensor.shape:
        info.tensor_shape.dim.add(size=-1 if size is None else size)


def _spec(message: Any) -> Asked:
    chosen = message.WhichOneof("version_choice")
    return Asked(
        message.name,
        message.version.value if chosen == "version" else None,
        message.version_label if chosen == "version_label" else None,
    )


def _left_s(context: grpc.ServicerContext) -> float | None:
    """Seconds that the client still waits; None without a deadline."""
    left: float | None = context.time_remaining()
    if left is not None and left <= 0:
        raise ServingError(DEADLINE_EXCEEDED, "the deadline was over before the request was looked at")
    return left


def _check_fields(fields: list[str]) -> None:
    if not fields:
        raise ServingError(INVALID, "GetModelMetadataRequest must specify at least one metadata_field")
    for field in fields:
        if field != SIGNATURE_DEF:
            raise ServingError(INVALID, f"Metadata field {field} is not supported")
