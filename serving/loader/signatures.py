"""What can be asked of a SavedModel, read from its protobuf."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message_factory import GetMessages

from serving.loader.errors import INVALID, NOT_FOUND, ServingError

SERVE = "serve"  # the tag that TensorFlow Serving looks for


@dataclass(frozen=True)
class Tensor:
    """An input or output of a signature.

    Attributes:
      name: of the tensor in the graph, such as `serving_default_examples:0`.
      kind: number of its DataType, see `tensors.numpy_kind`.
      shape: None stands for any size; None instead of a tuple for any rank.
    """

    name: str
    kind: int
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Signature:
    """What can be asked of a model."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    method: str


def read_signatures(saved_model: bytes, tags: Iterable[str] = (SERVE,)) -> dict[str, Signature]:
    """The signatures of the graph with exactly these tags.

    Args:
      saved_model: content of `saved_model.pb`.
      tags: of the graph.

    Raises:
      ServingError: the content is no SavedModel, or no graph has the tags.
    """
    try:
        found = _message("SavedModel").FromString(saved_model)
    except Exception as error:
        raise ServingError(INVALID, f"saved_model.pb is no SavedModel ({error})") from error
    for graph in found.meta_graphs:
        if set(graph.meta_info_def.tags) == set(tags):
            return {name: _signature(one) for name, one in graph.signature_def.items()}
    raise ServingError(NOT_FOUND, f"no graph has the tags {', '.join(sorted(tags))}")


def signatures_of(meta_graph: bytes) -> dict[str, Signature]:
    """The signatures of a serialized MetaGraphDef."""
    found = _message("MetaGraphDef").FromString(meta_graph)
    return {name: _signature(one) for name, one in found.signature_def.items()}


def _signature(message: Any) -> Signature:
    return Signature(
        {name: _tensor(one) for name, one in message.inputs.items()},
        {name: _tensor(one) for name, one in message.outputs.items()},
        message.method_name,
    )


def _tensor(message: Any) -> Tensor:
    sizes = tuple(None if dim.size < 0 else dim.size for dim in message.tensor_shape.dim)
    return Tensor(message.name, message.dtype, None if message.tensor_shape.unknown_rank else sizes)


_PACKAGE = "sluice.saved_model"
# The fields of tensorflow/core/protobuf/saved_model.proto and meta_graph.proto that are read here:
# name, number, and a message or one of protobuf's own types; [] several, {} by name.
_FIELDS: dict[str, list[tuple[str, int, str]]] = {
    "Dim": [("size", 1, "int64")],
    "Shape": [("dim", 2, "[Dim]"), ("unknown_rank", 3, "bool")],
    "TensorInfo": [("name", 1, "string"), ("dtype", 2, "int32"), ("tensor_shape", 3, "Shape")],
    "SignatureDef": [("inputs", 1, "{TensorInfo}"), ("outputs", 2, "{TensorInfo}"),
                     ("method_name", 3, "string")],
    "MetaInfoDef": [("tags", 4, "[string]"), ("tensorflow_version", 5, "string")],
    "MetaGraphDef": [("meta_info_def", 1, "MetaInfoDef"), ("signature_def", 5, "{SignatureDef}")],
    "SavedModel": [("meta_graphs", 2, "[MetaGraphDef]")],
}  # fmt: skip


def _message(name: str) -> Any:
    """The class of a protobuf message, made of `_FIELDS`: TensorFlow's own need all of its Python."""
    return _messages()[f"{_PACKAGE}.{name}"]


@functools.cache
def _messages() -> Mapping[str, Any]:
    file = FileDescriptorProto(name="saved_model.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            _add_field(message, name, field, number, kind)
    return GetMessages([file])  # type: ignore[no-any-return]


def _add_field(message: Any, owner: str, name: str, number: int, kind: str) -> None:
    inner = kind.strip("[]{}")
    field = message.field.add(name=name, number=number, label=3 if kind[0] in "[{" else 1)
    if kind.startswith("{"):
        entry = message.nested_type.add(name=f"{name.title()}Entry".replace("_", ""))
        entry.options.map_entry = True
        _add_field(entry, owner, "key", 1, "string")
        _add_field(entry, owner, "value", 2, inner)
        inner = f"{owner}.{entry.name}"
    own = {"string": 9, "int64": 3, "int32": 5, "bool": 8}
    if inner in own:
        field.type = own[inner]
    else:
        field.type, field.type_name = 11, f".{_PACKAGE}.{inner}"
