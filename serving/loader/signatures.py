"""What can be asked of a SavedModel, read from its protobuf."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.loader.messages import message

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


def signatures_of(meta_graph: bytes) -> dict[str, Signature]:
    """The signatures of a serialized MetaGraphDef."""
    found = message("MetaGraphDef").FromString(meta_graph)
    return {name: signature_of(one) for name, one in found.signature_def.items()}


def signature_of(one: Any) -> Signature:
    """The signature of a SignatureDef, TensorFlow's message or that of `messages`."""
    return Signature(
        {name: _tensor(tensor) for name, tensor in one.inputs.items()},
        {name: _tensor(tensor) for name, tensor in one.outputs.items()},
        one.method_name,
    )


def _tensor(one: Any) -> Tensor:
    sizes = tuple(None if dim.size < 0 else dim.size for dim in one.tensor_shape.dim)
    return Tensor(one.name, one.dtype, None if one.tensor_shape.unknown_rank else sizes)
