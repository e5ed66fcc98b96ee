"""A loaded SavedModel."""

import ctypes
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from serving.loader.c_api import Output, Status, api
from serving.loader.errors import FAILED_PRECONDITION, INVALID, ServingError
from serving.loader.signatures import SERVE, Signature, Tensor, signatures_of
from serving.loader.tensors import to_array, to_tensor


class Model:
    """A SavedModel as TensorFlow Serving holds it; threads may ask it at the same time.

    Args:
      folder: of the SavedModel.
      tags: of the graph to load.

    Attributes:
      signatures: what can be asked, by name.

    Raises:
      ServingError: the loader refuses it.
    """

    def __init__(self, folder: str | Path, tags: Iterable[str] = (SERVE,)) -> None:
        library, tags = api(), tuple(tags)
        self._session: Any = None
        self._graph = library.TF_NewGraph()
        self._places: dict[str, Output] = {}
        names = (ctypes.c_char_p * len(tags))(*(tag.encode() for tag in tags))
        options, meta_graph = library.TF_NewSessionOptions(), library.TF_NewBuffer()
        try:
            with Status() as status:
                self._session = library.TF_LoadSessionFromSavedModel(
                    options, None, str(folder).encode(), names, len(tags), self._graph, meta_graph, status
                )
            held = meta_graph.contents
            self.signatures = signatures_of(ctypes.string_at(held.data, held.length))
        except BaseException:
            self.close()
            raise
        finally:
            library.TF_DeleteSessionOptions(options)
            library.TF_DeleteBuffer(meta_graph)

    def run(
        self,
        signature: str,
        inputs: Mapping[str, npt.NDArray[Any]],
        wanted: Iterable[str] | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        """Asks a signature.

        Args:
          signature: its name.
          inputs: an array for each input, of the type that the signature names; text as bytes.
          wanted: outputs to compute; None is all.
          timeout_s: after so many seconds the graph is stopped; None lets it take its time.

        Returns:
          An array for each output; text as bytes.

        Raises:
          ServingError: no such signature, inputs that it does not have or that the graph refuses, or it
            took too long.
        """
        asked = self._asked(signature, inputs)
        outputs = {name: asked.outputs[name] for name in (asked.outputs if wanted is None else wanted)}
        fed: list[tuple[Any, Any]] = []
        results = (ctypes.c_void_p * len(outputs))()
        library = api()
        options = _run_options(timeout_s)
        try:
            for name in asked.inputs:
                fed.append(to_tensor(inputs[name], name))  # noqa: PERF401 (what is made must be deleted)
            values = (ctypes.c_void_p * len(fed))(*(tensor for tensor, _ in fed))
            with Status() as status:
                library.TF_SessionRun(
                    self._session, options,
                    self._outputs(asked.inputs.values()), values, len(fed),
                    self._outputs(outputs.values()), results, len(outputs),
                    None, 0, None, status,
                )  # fmt: skip
            return {name: to_array(one) for name, one in zip(outputs, results, strict=True)}
        finally:
            if options:
                library.TF_DeleteBuffer(options)
            for tensor in (*(tensor for tensor, _ in fed), *results):
                if tensor:
                    library.TF_DeleteTensor(tensor)

    def close(self) -> None:
        """Frees the model; nothing may be asked of it any more."""
        session, self._session = self._session, None
        graph, self._graph = self._graph, None
        if session:
            with Status() as status:
                api().TF_DeleteSession(session, status)
        if graph:
            api().TF_DeleteGraph(graph)

    def _asked(self, name: str, inputs: Mapping[str, Any]) -> Signature:
        """The signature; what is wrong with a request is said in TensorFlow Serving's words."""
        if name not in self.signatures:
            raise ServingError(FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        signature = self.signatures[name]
        if (sent := set(inputs)) == (required := set(signature.inputs)):
            return signature
        if len(sent) != len(required):
            raise ServingError(
                INVALID,
                f"input size does not match signature: {len(sent)}!={len(required)} "
                f"len({_listed(sent)}) != len({_listed(required)}). Sent extra: {_listed(sent - required)}. "
                f"Missing but required: {_listed(required - sent)}.",
            )
        missing = min(required - sent)
        raise ServingError(
            INVALID,
            f"Signature input alias: {missing}(feed name: {signature.inputs[missing].name}) not found in "
            f"request and no default value provided. Inputs expected to be in the request {_listed(sent)}, "
            "or default input alias set: ",
        )

    def _outputs(self, tensors: Iterable[Tensor]) -> Any:
        found = [self._place(one.name) for one in tensors]
        return (Output * len(found))(*found)

    def _place(self, tensor: str) -> Output:
        if tensor not in self._places:
            name, _, index = tensor.partition(":")
            operation = api().TF_GraphOperationByName(self._graph, name.encode())
            if not operation:
                raise ServingError(INVALID, f"the graph has no {name}, which a signature names")
            self._places[tensor] = Output(operation, int(index or 0))
        return self._places[tensor]


def _run_options(timeout_s: float | None) -> Any:
    """A TF_Buffer of RunOptions whose only field is timeout_in_ms, number 2; None without a timeout."""
    if timeout_s is None:
        return None
    left, message = max(1, round(timeout_s * 1000)), bytearray(b"\x10")
    while left > 0x7F:
        message.append(left & 0x7F | 0x80)
        left >>= 7
    message.append(left)
    return api().TF_NewBufferFromString(bytes(message), len(message))


def _listed(names: Iterable[str]) -> str:
    return f"{{{','.join(sorted(names))}}}"
