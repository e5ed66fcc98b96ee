"""Answers a request to predict, whichever way it came."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt

from serving.asked_model import Asked
from serving.held import Held
from serving.loader.errors import INTERNAL, INVALID, ServingError
from serving.metrics import Metrics
from serving.versions import Versions, absent

DEFAULT_SIGNATURE = "serving_default"
CODES = {
    0: "OK", 1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND",
    6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED", 9: "FAILED_PRECONDITION",
    10: "ABORTED", 11: "OUT_OF_RANGE", 12: "UNIMPLEMENTED", 13: "INTERNAL", 14: "UNAVAILABLE",
    15: "DATA_LOSS", 16: "UNAUTHENTICATED",
}  # fmt: skip

Arrays = Mapping[str, npt.NDArray[Any]]
_LOG = logging.getLogger(__name__)


class Asking:
    """Asks the versions of a model and counts what came of it.

    Args:
      versions: of the one model that is served.
      metrics: counts requests and times the graph.
      on_request: told of each request that was answered: its signature and inputs; what it raises is logged
        and fails no request.
    """

    def __init__(
        self, versions: Versions, metrics: Metrics, on_request: Callable[[str, Arrays], None] | None = None
    ) -> None:
        self.versions, self.metrics, self._on_request = versions, metrics, on_request

    @contextmanager
    def use(self, spec: Asked) -> Iterator[Held]:
        """The version that a request names.

        Raises:
          ServingError: the model or the version is not there.
        """
        if not spec.name:
            raise ServingError(INVALID, "Missing ModelSpec")
        if spec.name != self.versions.name:
            raise absent(spec.name, spec.version, spec.label)
        with self.versions.use(spec.version, spec.label) as held:
            yield held

    def predict(
        self,
        held: Held,
        signature: str,
        inputs: Arrays,
        wanted: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        """Asks a signature.

        Args:
          held: the version.
          signature: its name.
          inputs: an array for each input.
          wanted: outputs to answer; none is all.
          timeout_s: after so many seconds the graph is stopped.

        Raises:
          ServingError: with TensorFlow Serving's code and words.
        """
        begin = time.perf_counter()
        answer = held.model.run(signature, inputs, _outputs(held, signature, wanted), timeout_s)
        self.metrics.ran(self.versions.name, time.perf_counter() - begin)
        if self._on_request:
            try:
                self._on_request(signature, inputs)
            except Exception:  # noqa: BLE001 (the answer is there, and is sent)
                _LOG.exception("a request could not be kept")
        return answer

    @contextmanager
    def counted(self, spec: Asked, entrypoint: str) -> Iterator[None]:
        """Counts a request to this model, and how long it took; any error becomes a ServingError."""
        begin, code = time.perf_counter(), 0
        try:
            yield
        except ServingError as error:
            code = error.code
            raise
        except Exception as error:
            code = INTERNAL
            _LOG.exception("a request failed")
            raise ServingError(INTERNAL, f"{type(error).__name__}: {error}") from error
        finally:
            # A name that is not served would be a label of the client's choice, and there is no end of these.
            if spec.name == self.versions.name:
                seconds = time.perf_counter() - begin
                self.metrics.requested(spec.name, entrypoint, CODES.get(code, "UNKNOWN"), seconds)


def _outputs(held: Held, signature: str, wanted: Sequence[str]) -> Sequence[str] | None:
    """The outputs to compute; a signature that is not there is the model's to refuse."""
    if not wanted or signature not in held.model.signatures:
        return None
    known = held.model.signatures[signature].outputs
    for place, name in enumerate(wanted):
        if name not in known:
            raise ServingError(
                INVALID,
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{{{','.join(sorted(known))}}}.",
            )
        if name in wanted[:place]:
            raise ServingError(INVALID, f"duplicate output tensor alias: {name}")
    return wanted
