"""The pages about a model: which version is in which state, and what can be asked of it."""

import json
from typing import Any

from serving.asked_model import Asked
from serving.asking import CODES
from serving.held import Held
from serving.loader.errors import NOT_FOUND, ServingError
from serving.loader.signatures import Signature, Tensor
from serving.loader.tensors import DATA_TYPES
from serving.versions import State, Versions, absent


def chosen_states(versions: Versions, spec: Asked) -> dict[int, State]:
    """The states of the versions that a status request names.

    Raises:
      ServingError: there is none such; in TensorFlow Serving's words.
    """
    states = versions.states() if spec.name == versions.name else {}
    version = spec.version
    if spec.label is not None and (version := versions.labelled(spec.label)) is None:
        raise absent(spec.name, None, spec.label)
    if version is None:
        if not states:
            raise ServingError(NOT_FOUND, f"Could not find any versions of model {spec.name}")
        return states
    if version not in states:
        raise ServingError(NOT_FOUND, f"Could not find version {version} of model {spec.name}")
    return {version: states[version]}


def status_page(states: dict[int, State]) -> str:
    """JSON of a GetModelStatusResponse: every field is there, and a number of 64 bits is text."""
    found = [
        {
            "version": str(version),
            "state": state.name,
            "status": {
                "error_code": CODES.get(state.code, "UNKNOWN"),
                "error_message": state.message,
            },
        }
        for version, state in states.items()
    ]
    return json.dumps({"model_version_status": found}, indent=1)


def metadata_page(name: str, held: Held) -> str:
    """JSON of a GetModelMetadataResponse."""
    signatures = {key: _signature(one) for key, one in held.model.signatures.items()}
    return json.dumps(
        {
            "model_spec": {"name": name, "signature_name": "", "version": str(held.version)},
            "metadata": {"signature_def": {"signature_def": signatures}},
        },
        indent=1,
    )


def _signature(signature: Signature) -> dict[str, Any]:
    return {
        "inputs": {name: _tensor(one) for name, one in signature.inputs.items()},
        "outputs": {name: _tensor(one) for name, one in signature.outputs.items()},
        "method_name": signature.method,
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    sizes = tensor.shape or ()
    return {
        "dtype": data_type(tensor.kind),
        "tensor_shape": {
            "dim": [{"size": str(-1 if size is None else size), "name": ""} for size in sizes],
            "unknown_rank": tensor.shape is None,
        },
        "name": tensor.name,
    }


def data_type(kind: int) -> str:
    """The name of a DataType, such as DT_FLOAT."""
    return DATA_TYPES.get(kind, str(kind))
