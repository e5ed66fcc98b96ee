"""TensorFlow's messages, as far as they are read here, without TensorFlow's Python."""

import functools
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message_factory import GetMessages

_PACKAGE = "sluice.saved_model"
# The fields of tensorflow/core/protobuf/meta_graph.proto and
# tensorflow/core/framework/op_def.proto that are read here: name, number, and a message or one of protobuf's
# own types; [] several, {} by name.
_FIELDS: dict[str, list[tuple[str, int, str]]] = {
    "Dim": [("size", 1, "int64")],
    "Shape": [("dim", 2, "[Dim]"), ("unknown_rank", 3, "bool")],
    "TensorInfo": [("name", 1, "string"), ("dtype", 2, "int32"), ("tensor_shape", 3, "Shape")],
    "SignatureDef": [("inputs", 1, "{TensorInfo}"), ("outputs", 2, "{TensorInfo}"),
                     ("method_name", 3, "string")],
    "MetaGraphDef": [("signature_def", 5, "{SignatureDef}")],
    "AttrDef": [("name", 1, "string")],
    "OpDef": [("name", 1, "string"), ("attr", 4, "[AttrDef]")],
    "OpList": [("op", 1, "[OpDef]")],
}  # fmt: skip


def message(name: str) -> Any:
    """The class of a protobuf message, made of `_FIELDS`: TensorFlow's own need all of its Python."""
    return _messages()[f"{_PACKAGE}.{name}"]


@functools.cache
def _messages() -> Mapping[str, Any]:
    file = FileDescriptorProto(name="saved_model.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _FIELDS.items():
        described = file.message_type.add(name=name)
        for field, number, kind in fields:
            _add_field(described, name, field, number, kind)
    return GetMessages([file])  # type: ignore[no-any-return]


def _add_field(described: Any, owner: str, name: str, number: int, kind: str) -> None:
    inner = kind.strip("[]{}")
    field = described.field.add(name=name, number=number, label=3 if kind[0] in "[{" else 1)
    if kind.startswith("{"):
        entry = described.nested_type.add(name=f"{name.title()}Entry".replace("_", ""))
        entry.options.map_entry = True
        _add_field(entry, owner, "key", 1, "string")
        _add_field(entry, owner, "value", 2, inner)
        inner = f"{owner}.{entry.name}"
    own = {"string": 9, "int64": 3, "int32": 5, "bool": 8}
    if inner in own:
        field.type = own[inner]
    else:
        field.type, field.type_name = 11, f".{_PACKAGE}.{inner}"
