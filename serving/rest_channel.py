"""Asks a server by REST. It needs no TensorFlow.

TensorFlow Serving reads and writes the words NaN, Infinity and -Infinity, which are not JSON
(tensorflow_serving/util/json_tensor.cc, rapidjson's kParseNanAndInfFlag), as Python does.
"""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import numpy.typing as npt

from serving import call_errors
from serving.asked_model import Arrays, Asked, VersionStatus
from serving.loader.signatures import Signature, Tensor
from serving.loader.tensors import DATA_TYPES, STRING, numpy_kind
from serving.loopback import is_loopback

_KINDS = {name: kind for kind, name in DATA_TYPES.items()}


class RestChannel:
    """Connections by REST, kept open between calls; threads may use them at the same time.

    Args:
      address: `http://host:port`, or https.
      headers: sent with each call, such as an authorization.
      verify: certificates to trust, see httpx; for https.
    """

    def __init__(self, address: str, headers: Mapping[str, str] | None = None, verify: Any = True) -> None:
        url = httpx.URL(address)
        self._http = httpx.Client(
            base_url=url, headers=headers, verify=verify, trust_env=not is_loopback(url.host)
        )

    def predict(
        self, asked: Asked, name: str, signature: Signature, inputs: Mapping[str, Any], timeout_s: float
    ) -> Arrays:
        """See `Channel`."""
        body = {"signature_name": name, "inputs": {key: to_json(one) for key, one in inputs.items()}}
        content = json.dumps(body).encode()
        answer = self._ask("POST", f"{_path(asked)}:predict", timeout_s, content).get("outputs")
        wanted = signature.outputs
        if len(wanted) == 1:  # the server then leaves the name out
            answer = dict.fromkeys(wanted, answer)
        if not isinstance(answer, dict) or set(answer) != set(wanted):
            raise call_errors.ServerFailed(
                f"expected the outputs {', '.join(sorted(wanted))}, got {str(answer)[:200]}"
            )
        return {key: of_json(one, wanted[key]) for key, one in answer.items()}

    def signatures(self, asked: Asked, timeout_s: float) -> dict[str, Signature]:
        """See `Channel`."""
        answer = self._ask("GET", f"{_path(asked)}/metadata", timeout_s)
        try:
            found = answer["metadata"]["signature_def"]["signature_def"]
            return {name: _signature(one) for name, one in found.items()}
        except (KeyError, TypeError) as error:
            raise call_errors.ServerFailed(f"expected signatures, got {str(answer)[:200]}") from error

    def status(self, asked: Asked, timeout_s: float) -> list[VersionStatus]:
        """See `Channel`."""
        answer = self._ask("GET", _path(asked), timeout_s)
        return [
            VersionStatus(int(one["version"]), one["state"], one.get("status", {}).get("error_message", ""))
            for one in answer.get("model_version_status", ())
        ]

    def close(self) -> None:
        """See `Channel`."""
        self._http.close()

    def _ask(self, method: str, path: str, timeout_s: float, content: bytes | None = None) -> dict[str, Any]:
        status, body = self._sent(method, path, timeout_s, content)
        try:
            answer = json.loads(body.decode("utf-8", "surrogateescape"))
        except ValueError:
            answer = None
        if status == 200 and isinstance(answer, dict):
            return answer
        words = answer.get("error") if isinstance(answer, dict) else None
        message = str(words or f"HTTP status {status}, {body[:200].decode(errors='replace')!r}")
        raise call_errors.of_http(status, message)

    def _sent(self, method: str, path: str, timeout_s: float, content: bytes | None) -> tuple[int, bytes]:
        """Status and body of an answer, read no longer than the time allows, however slowly it comes."""
        end, headers = time.monotonic() + timeout_s, {"content-type": "application/json"}
        try:
            with self._http.stream(
                method, path, content=content, headers=headers if content else None, timeout=timeout_s
            ) as answer:
                parts = []
                for part in answer.iter_bytes():
                    parts.append(part)
                    if time.monotonic() > end:
                        raise call_errors.DeadlineExceeded(f"no whole answer within {timeout_s:.3g} s")
                return answer.status_code, b"".join(parts)
        except httpx.TimeoutException as error:
            raise call_errors.DeadlineExceeded(f"no answer within {timeout_s:.3g} s") from error
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            raise call_errors.Unavailable(f"{self._http.base_url}: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL, RuntimeError) as error:
            raise call_errors.BadRequest(f"{self._http.base_url}: {error}") from error


def _path(asked: Asked) -> str:
    path = f"/v1/models/{quote(asked.name, safe='')}"
    if asked.version is not None:
        return f"{path}/versions/{asked.version}"
    return path if asked.label is None else f"{path}/labels/{quote(asked.label, safe='')}"


def to_json(array: Any) -> Any:
    """An array as nested lists: numbers with all their digits, bytes that are no text in base 64."""
    array = np.asarray(array)
    if array.dtype != np.object_:
        return array.tolist()  # a float32 as the float64 that is the same number
    texts = np.empty(array.shape, np.object_)
    texts.ravel()[:] = [_text(one) for one in array.ravel().tolist()]
    return texts.tolist()


def _text(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def of_json(value: Any, tensor: Tensor) -> npt.NDArray[Any]:
    """The array of nested lists; text as bytes."""
    kind = numpy_kind(tensor.kind)
    try:
        if tensor.kind != STRING:
            return np.asarray(value, kind)
        texts = np.asarray(value, np.object_)
        found = np.empty(texts.shape, np.object_)
        found.ravel()[:] = [_bytes(one) for one in texts.ravel().tolist()]
    except (TypeError, ValueError) as error:
        raise call_errors.ServerFailed(f"expected {np.dtype(kind)}, got {str(value)[:200]}") from error
    return found


def _bytes(value: Any) -> bytes:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return str(value).encode("utf-8", "surrogateescape")


def _signature(message: Mapping[str, Any]) -> Signature:
    return Signature(
        {name: _tensor(one) for name, one in message.get("inputs", {}).items()},
        {name: _tensor(one) for name, one in message.get("outputs", {}).items()},
        message.get("method_name", ""),
    )


def _tensor(message: Mapping[str, Any]) -> Tensor:
    shape = message.get("tensor_shape", {})
    sizes = [int(dim.get("size", 0)) for dim in shape.get("dim", ())]
    rank_known = not shape.get("unknown_rank", False)
    known = tuple(None if size < 0 else size for size in sizes) if rank_known else None
    return Tensor(message.get("name", ""), _KINDS.get(message.get("dtype", ""), 0), known)
