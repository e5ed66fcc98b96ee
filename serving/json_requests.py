"""The JSON body of a predict request, by the rules and in the words of TensorFlow Serving."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.asking import CODES
from serving.json_values import as_array, is_text, shown
from serving.loader.errors import INVALID, ServingError
from serving.loader.signatures import Tensor

_INSTANCES, _INPUTS = "instances", "inputs"
# What the parser says, and what the real server's says of the same.
_PARSER_WORDS = {
    "Expecting value": "Invalid value.",
    "Illegal trailing comma before end of array": "Invalid value.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Extra data": "The document root must not be followed by other values.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting ',' delimiter": "Missing a comma or ] after an array element.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}

Inputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Request:
    """What a body asks for.

    Attributes:
      signature: its name; empty where none is named.
      document: the body.
    """

    signature: str
    document: dict[str, Any]

    @property
    def by_row(self) -> bool:
        """Whether it has `instances`, and not `inputs`."""
        return _INSTANCES in self.document


def parse(body: bytes) -> Request:
    """Reads a body.

    Raises:
      ServingError: it is no JSON object, or names its signature by something else than text.
    """
    document = _document(body)
    signature = document.get("signature_name", "")
    if not isinstance(signature, str):
        raise ServingError(
            INVALID,
            f"JSON Value: {shown(document)} not formatted correctly. 'signature_name' key must be a string "
            "value.",
        )
    return Request(signature, document)


def _document(body: bytes) -> dict[str, Any]:
    text = body.decode(errors="surrogateescape")  # text that is no UTF-8 reaches the model as it is
    if not text.strip():
        raise ServingError(INVALID, "JSON Parse error: The document is empty")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        said = _PARSER_WORDS.get(error.msg, error.msg)
        # Newer Pythons point at a trailing comma, the real server behind it.
        position = error.pos + error.msg.startswith("Illegal trailing comma")
        offset = len(text[:position].encode(errors="surrogateescape"))
        raise ServingError(INVALID, f"JSON Parse error: {said} at offset: {offset}") from None
    except (ValueError, RecursionError):
        raise ServingError(INVALID, "JSON Parse error: nested too deeply, or a number too long") from None
    if not isinstance(document, dict):
        raise ServingError(INVALID, f"JSON Value: {shown(document)} Is not object")
    return document


def arrays(request: Request, inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
    """The inputs of a signature.

    Args:
      request: from `parse`.
      inputs: what the signature takes.

    Raises:
      ServingError: they are not all there, or not of one shape and the right type.
    """
    document = request.document
    both = f"Not formatted correctly expecting only one of '{_INPUTS}' or '{_INSTANCES}' keys to exist "
    if request.by_row and _INPUTS in document:
        raise ServingError(INVALID, f"JSON Value: {shown(document)} {both}")
    if request.by_row:
        return _by_row(document, inputs)
    if _INPUTS in document:
        return _by_column(document[_INPUTS], inputs)
    raise ServingError(INVALID, f"Missing '{_INPUTS}' or '{_INSTANCES}' key")


def _by_column(value: Any, inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
    if not isinstance(value, dict) or is_text(value):
        if len(inputs) > 1:
            raise ServingError(
                INVALID,
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as "
                "per tensorinfo_map",
            )
        (name,) = inputs
        return {name: as_array(value, inputs[name].kind)}
    for name in inputs:
        if name not in value:
            raise ServingError(INVALID, f"Missing named input: {name} in 'inputs' object.")
    return {name: as_array(value[name], tensor.kind) for name, tensor in inputs.items()}


def _by_row(document: dict[str, Any], inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
    rows = document[_INSTANCES]
    if not isinstance(rows, list):
        raise ServingError(
            INVALID, f"JSON Value: {shown(document)} Excepting '{_INSTANCES}' to be an list/array"
        )
    if not rows:
        raise ServingError(INVALID, f"JSON Value: {shown(document)} No values in '{_INSTANCES}' array")
    if not isinstance(rows[0], dict) and len(inputs) > 1:
        raise ServingError(
            INVALID,
            "instances is a plain list, but expecting list of objects as multiple input tensors required as "
            "per tensorinfo_map",
        )
    if _is_object(rows[0]):
        _check_objects(rows, inputs)
        return {name: _column([row[name] for row in rows], one, name) for name, one in inputs.items()}
    for place, row in enumerate(rows):
        if _is_object(row):
            raise ServingError(INVALID, f"Expecting value/list but got object at item {place} of input list")
    (name,) = inputs
    return {name: _column(rows, inputs[name], None)}


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_text(value)


def _check_objects(rows: list[Any], inputs: Inputs) -> None:
    """Each row must have each input and nothing else."""
    for place, row in enumerate(rows):
        if not _is_object(row):
            raise ServingError(INVALID, f"Expecting object but got list at item {place} of input list")
        if extra := next((name for name in row if name not in inputs), None):
            raise _at(place, extra, f"JSON object: does not have named input: {extra}")
        if len(row) != len(inputs):
            raise ServingError(
                INVALID,
                f"Failed to process element: {place} of '{_INSTANCES}' list. JSON object: {shown(row)} keys "
                f"must be equal to: {','.join(sorted(inputs))}",
            )


def _column(values: list[Any], tensor: Tensor, name: str | None) -> npt.NDArray[Any]:
    """One input of all rows; where they do not fit together, the first row that does not is told."""
    try:
        return as_array(values, tensor.kind)
    except ServingError as error:
        shape: tuple[int, ...] | None = None
        for place, value in enumerate(values):
            try:
                found = as_array(value, tensor.kind).shape
            except ServingError as of_row:
                raise _at(place, name, str(of_row), of_row.code) from None
            shape = found if shape is None else shape
            if problem := _unlike(shape, found):
                raise _at(place, name, problem) from None
        raise error


def _unlike(first: tuple[int, ...], other: tuple[int, ...]) -> str:
    if (size := int(np.prod(first))) != (got := int(np.prod(other))):
        return f"Expecting tensor size: {size} but got: {got}"
    if first != other:
        return f"Expecting shape {_listed(first)} but got: {_listed(other)}"
    return ""


def _listed(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _at(place: int, name: str | None, said: str, code: int = INVALID) -> ServingError:
    key = f" key: {name}" if name is not None else ""
    status = f"{CODES[code]}: {said}"
    return ServingError(
        INVALID, f"Failed to process element: {place}{key} of '{_INSTANCES}' list. Error: {status}"
    )
