"""What can be said of an export's graph without running it: signatures, ops, paths."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from components.servability.checks import Check
from components.servability.versions import ops_of
from serving.loader.errors import INVALID, NOT_FOUND, ServingError
from serving.loader.signatures import SERVE, Signature, Tensor
from serving.loader.tensors import STRING

_FLOAT, _INT64 = 1, 9
# What each signature but `generate` must answer, by task, and of which type.
_CLASSES = {"probabilities": _FLOAT, "label": STRING, "score": _FLOAT}
_ANSWERS = {"binary": _CLASSES, "multiclass": _CLASSES, "regression": {"prediction": _FLOAT}}
_PYTHON_OPS = ("PyFunc", "PyFuncStateless", "EagerPyFunc")
_ABSOLUTE = re.compile(rb"(/|[a-z][a-z0-9+.-]*://)[^\0\n]+")


def check_signatures(signatures: Mapping[str, Signature], task: str) -> Check:
    """Whether the signatures are those that callers were promised."""
    return Check(
        "signatures", tuple(_missing_signatures(signatures, task)), "export with components/trainer/export.py"
    )


def _missing_signatures(signatures: Mapping[str, Signature], task: str) -> Iterator[str]:
    wanted: dict[str, Callable[[Signature], bool]] = {
        "serving_default": lambda one: _is(one.inputs.get("examples"), STRING, 1) and len(one.inputs) == 1,
        "sequences": lambda one: _is(one.inputs.get("lengths"), _INT64, 1) and len(one.inputs) > 1,
    }
    if task == "generation":
        wanted["generate"] = lambda one: "max_new_tokens" in one.inputs
    for name, fits in wanted.items():
        if name not in signatures:
            yield f"the graph has no signature {name}, only {', '.join(sorted(signatures)) or 'none'}"
        elif not fits(signatures[name]):
            yield f"signature {name} takes {', '.join(signatures[name].inputs)}: not what callers send"
        elif lacking := set(_ANSWERS.get(task, ())) - set(signatures[name].outputs):
            yield f"signature {name} does not answer {', '.join(sorted(lacking))}"
        else:
            yield from _other_outputs(name, signatures[name], _ANSWERS.get(task, {}))


def _other_outputs(name: str, signature: Signature, promised: Mapping[str, int]) -> Iterator[str]:
    for output, one in signature.outputs.items():
        if one.shape is not None and one.shape[:1] != (None,):
            shape = f"output {output} of {name} has the shape {list(one.shape)}"
            yield f"{shape}: its first dimension must be the batch"
        if (kind := promised.get(output, one.kind)) != one.kind:
            yield f"output {output} of {name} has the DataType {one.kind} instead of {kind}"


def _is(tensor: Tensor | None, kind: int, rank: int) -> bool:
    return tensor is not None and tensor.kind == kind and tensor.shape == (None,) * rank


def check_ops(graph: meta_graph_pb2.MetaGraphDef, tf_serving: str) -> Check:
    """Whether TensorFlow Serving of a version can run every op on a CPU.

    Args:
      graph: the one with the tag `serve`.
      tf_serving: version, such as `2.16`; see `versions.known_versions`.
    """
    known, problems = ops_of(tf_serving), []
    for op, attributes in sorted(_used(graph).items()):
        if op in _PYTHON_OPS:
            problems.append(f"op {op} calls Python, which the server has not")
        elif "Cudnn" in op:
            problems.append(f"op {op} runs on a GPU only: export with use_cudnn=False")
        elif op not in known:
            problems.append(f"op {op} is unknown to TensorFlow Serving {tf_serving}")
        elif extra := attributes - known[op]:
            problems.append(
                f"op {op} has {', '.join(sorted(extra))}, unknown to TensorFlow Serving {tf_serving}"
            )
    return Check("ops", tuple(problems), "export with ops of that version, or serve with a newer one")


def check_paths(graph: meta_graph_pb2.MetaGraphDef, roots: Iterable[str]) -> Check:
    """Whether the graph names a place outside of the export.

    Args:
      graph: the one with the tag `serve`.
      roots: folders that the server will not have, such as that of the run's artifacts.
    """
    outside = tuple(root.rstrip("/").encode() for root in roots)
    found = sorted(
        {
            text.decode(errors="replace")
            for texts in _texts(graph)
            for text in texts
            if _leads_out(text, texts, outside)
        }
    )
    reasons = tuple(f"the graph names {path}, which the server does not have" for path in found)
    return Check(
        "paths", reasons, "make the file an asset: tf.saved_model.Asset, or a vocabulary of Transform"
    )


def _leads_out(text: bytes, beside: Sequence[bytes], roots: tuple[bytes, ...]) -> bool:
    """Whether a constant names a file elsewhere; one of many texts may be a class that is called `/tmp`."""
    if not _ABSOLUTE.fullmatch(text):
        return False
    return text.startswith(roots) or (len(beside) == 1 and text[:1] == b"/" and tf.io.gfile.exists(text))


def serving_graph(saved_model: bytes) -> meta_graph_pb2.MetaGraphDef:
    """The graph with the tag that TensorFlow Serving looks for, in the content of `saved_model.pb`.

    Raises:
      ServingError: it is no SavedModel, or has no such graph.
    """
    try:
        found = saved_model_pb2.SavedModel.FromString(saved_model)
    except DecodeError as error:
        raise ServingError(INVALID, f"saved_model.pb is no SavedModel ({error})") from error
    for graph in found.meta_graphs:
        if set(graph.meta_info_def.tags) == {SERVE}:
            return graph
    raise ServingError(NOT_FOUND, f"no graph has the tags {SERVE}")


def _nodes(graph: meta_graph_pb2.MetaGraphDef) -> Iterator[Any]:
    yield from graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield from function.node_def


def _used(graph: meta_graph_pb2.MetaGraphDef) -> dict[str, set[str]]:
    """The ops of the graph with their attributes; calls of its own functions are none."""
    own = {function.signature.name for function in graph.graph_def.library.function}
    used: dict[str, set[str]] = {}
    for node in _nodes(graph):
        if node.op not in own:
            used.setdefault(node.op, set()).update(name for name in node.attr if not name.startswith("_"))
    return used


def _texts(graph: meta_graph_pb2.MetaGraphDef) -> Iterator[list[bytes]]:
    """The texts of each constant that holds some."""
    for node in _nodes(graph):
        if node.op == "Const" and node.attr["dtype"].type == STRING:
            yield tf.make_ndarray(node.attr["value"].tensor).ravel().tolist()
