"""Requests to the signatures of an export, as arrays, JSON and warm-up records."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.ingest.names import argument_name
from components.trainer.synthetic import Row, as_examples

GENERATED = 20  # steps that a request for more asks for
_TEMPERATURE, _SEED = 0.8, 1

Inputs = dict[str, npt.NDArray[Any]]  # of a signature, by name


@dataclass(frozen=True)
class Request:
    """A request to one signature."""

    signature: str
    inputs: Inputs


def requests(
    rows: Sequence[Row], spec: Any, *, prompt: str | None = None, series: bool = False
) -> list[Request]:
    """The rows as one request to each signature that answers callers.

    Args:
      rows: raw sequences.
      spec: the raw feature spec.
      prompt: what stands between the tokens of a prompt; None where `generate` takes none.
      series: whether `generate` continues numbers.
    """
    tensors = as_tensors(rows, spec)
    found = [
        Request("sequences", tensors),
        Request("serving_default", {"examples": as_examples(rows, spec)}),
    ]
    count = np.array(GENERATED, np.int32)
    if series:
        found.append(Request("generate", {**tensors, "max_new_tokens": count}))
    if prompt is not None:
        (name,) = rows[0]
        texts = np.array([prompt.join(row[name]).encode() for row in rows], np.object_)
        asked: Inputs = {
            "prompt": texts,
            "max_new_tokens": count,
            "temperature": np.array(_TEMPERATURE, np.float32),
            "seed": np.array(_SEED, np.int64),
        }
        found.append(Request("generate", asked))
    return found


def as_tensors(rows: Sequence[Row], spec: Any) -> Inputs:
    """Rows as the inputs of `sequences`: a tensor [rows, steps] per feature, and `lengths` [rows]."""
    lengths = [max(map(len, row.values()), default=0) for row in rows]
    width = max(1, *lengths)
    found: Inputs = {"lengths": np.array(lengths, np.int64)}
    for name in rows[0]:
        kind = spec[name].dtype
        steps = [_filled(row[name], width, kind) for row in rows]
        found[argument_name(name)] = np.array(steps, np.object_ if kind == tf.string else kind.as_numpy_dtype)
    return found


def _filled(steps: list[Any], width: int, kind: tf.DType) -> list[Any]:
    encoded = [step.encode() for step in steps] if kind == tf.string else steps
    return encoded + [b"" if kind == tf.string else 0] * (width - len(steps))


def as_json(request: Request) -> dict[str, Any]:
    """The body of a request to TensorFlow Serving's REST interface; bytes of tf.Examples as base64."""
    inputs = {name: _listed(one, name == "examples") for name, one in request.inputs.items()}
    return {"signature_name": request.signature, "inputs": inputs}


def _listed(array: npt.NDArray[Any], encoded: bool) -> Any:
    if array.dtype != np.object_:
        return array.tolist()
    if encoded:
        return [{"b64": base64.b64encode(one).decode()} for one in array]
    return np.vectorize(lambda text: text.decode(), otypes=[np.object_])(array).tolist()


def of_json(body: Mapping[str, Any], kinds: Mapping[str, Any]) -> Inputs:
    """The inputs of `as_json`, as arrays of the NumPy types that the signature has."""
    return {name: np.array(_decoded(one), kinds[name]) for name, one in body.items()}


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    if isinstance(value, str):
        return value.encode()
    return [_decoded(one) for one in value] if isinstance(value, list) else value
