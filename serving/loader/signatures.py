"""What can be asked of a SavedModel, read from its protobuf."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from serving.loader.errors import INVALID, NOT_FOUND, ServingError
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


def read_signatures(saved_model: bytes, tags: Iterable[str] = (SERVE,)) -> dict[str, Signature]:
    """The signatures of the graph with exactly these tags.

    Args:
      saved_model: content of `saved_model.pb`.
      tags: of the graph.

    Raises:
      ServingError: the content is no SavedModel, or no graph has the tags.
    """
    try:
        found = message("SavedModel").FromString(saved_model)
    except Exception as error:
        raise ServingError(INVALID, f"saved_model.pb is no SavedModel ({error})") from error
    for graph in found.meta_graphs:
        if set(graph.meta_info_def.tags) == set(tags):
            return {name: _signature(one) for name, one in graph.signature_def.items()}
    raise ServingError(NOT_FOUND, f"no graph has the tags {', '.join(sorted(tags))}")


def signatures_of(meta_graph: bytes) -> dict[str, Signature]:
    """The signatures of a serialized MetaGraphDef."""
    found = message("MetaGraphDef").FromString(meta_graph)
    return {name: _signature(one) for name, one in found.signature_def.items()}


def _signature(one: Any) -> Signature:
    return Signature(
        {name: _tensor(tensor) for name, tensor in one.inputs.items()},
        {name: _tensor(tensor) for name, tensor in one.outputs.items()},
        one.method_name,
    )


def _tensor(one: Any) -> Tensor:
    sizes = tuple(None if dim.size < 0 else dim.size for dim in one.tensor_shape.dim)
    return Tensor(one.name, one.dtype, None if one.tensor_shape.unknown_rank else sizes)
