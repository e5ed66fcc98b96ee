"""A typed client of TensorFlow Serving, or of the stand-in here: gRPC and REST behind one class."""

import numbers
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from components.ingest.names import argument_name
from serving import request_inputs
from serving.answers import Answers, collected, texts
from serving.asked_model import Asked, Channel, VersionStatus
from serving.call_errors import BadRequest, DeadlineExceeded, NotFound, Unavailable
from serving.loader.signatures import Signature
from serving.loader.tensors import numpy_kind
from serving.request_inputs import MAX_NEW_TOKENS, Sequences
from serving.retries import with_retries
from serving.version_folders import LARGEST

if TYPE_CHECKING:
    from serving.request_log import RequestLog

_EXAMPLES, _SEQUENCES, _GENERATE, _PROMPT = "serving_default", "sequences", "generate", "prompt"
_POLL_S = 0.2
_MOST_NEW_TOKENS, _MOST_SEED = 2**31 - 1, 2**63 - 1
_HOTTEST = float(np.finfo(np.float32).max)

Result = TypeVar("Result")


class Client:
    """Asks one model; threads may do so at the same time.

    Args:
      address: `host:port` for gRPC, `http://host:port` or https for REST.
      model: its name.
      version: the version to ask; None is the newest that the server has.
      label: the label of the version to ask, where the server has labels.
      timeout_s: of each call, with all its tries.
      attempts: tries where nobody is there; a wrong request is never sent twice.
      max_batch: sequences of one request; more are sent in several, one after the other.
      credentials: of grpc, for TLS (`grpc.ssl_channel_credentials()`); for https see `verify`.
      verify: certificates to trust by https, see httpx.
      headers: sent with each call, such as an authorization.
      log: takes a sample of what was answered.
    """

    def __init__(
        self,
        address: str,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float = 10.0,
        attempts: int = 5,
        max_batch: int = 64,
        credentials: Any = None,
        verify: Any = True,
        headers: Mapping[str, str] | None = None,
        log: "RequestLog | None" = None,
    ) -> None:
        if version is not None and label is not None:
            raise BadRequest(f"version {version} and label {label!r}: give one of them")
        if max_batch < 1 or attempts < 1 or not timeout_s > 0:
            raise BadRequest("max_batch and attempts begin at 1, timeout_s above 0")
        _check_asked(address, version, headers)
        self._asked = Asked(model, version, label)
        self._channel = _channel(address, credentials, verify, headers)
        self._address, self._timeout_s, self._attempts = address, timeout_s, attempts
        self._max_batch, self._log = max_batch, log
        self._known: dict[str, Signature] | None = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; the log stays open, for others may share it."""
        self._channel.close()

    def predict(
        self,
        sequences: Any,
        *,
        lengths: Any = None,
        sequence_id: str = "sequence_id",
        time: str | None = None,
    ) -> Answers:
        """Answers sequences by the signature `sequences`.

        Args:
          sequences: a table, arrays or texts, see `serving.request_inputs.read`.
          lengths: [batch], where arrays are padded.
          sequence_id: column of a table whose rows with one value form one sequence.
          time: column of a table that orders the steps.

        Raises:
          CallError: see `serving.call_errors`; BadRequest before anything is sent where features are
            missing, unknown or of another type.
        """
        signature = self._signature(_SEQUENCES)
        if isinstance(sequences, str | bytes):
            raise BadRequest("expected a list of texts, got a single one")
        if isinstance(sequences, Sequence) and _PROMPT in self._inputs(_GENERATE):
            raise BadRequest("this model goes on from prompts: ask `generate`, or give its steps as arrays")
        found = request_inputs.read(
            sequences, request_inputs.features_of(signature),
            lengths=lengths, sequence_id=sequence_id, time=time,
        )  # fmt: skip
        names = {argument_name(name): name for name in found.columns}
        parts = []
        for inputs in self._batches(found, signature):
            parts.append(self._ask(_SEQUENCES, signature, inputs))
            if self._log is not None:
                self._log.write_sequences(inputs, names)
        return collected(parts or [_nothing(signature)], None if found.ids is None else found.ids.to_pylist())

    def predict_examples(self, examples: Sequence[bytes]) -> Answers:
        """Answers serialized tf.Examples by the signature `serving_default`.

        Raises:
          CallError: see `serving.call_errors`.
        """
        signature, parts = self._signature(_EXAMPLES), []
        for start in range(0, len(examples), self._max_batch):
            batch = list(examples[start : start + self._max_batch])
            array = np.empty(len(batch), np.object_)
            array[:] = batch
            parts.append(self._ask(_EXAMPLES, signature, dict.fromkeys(signature.inputs, array)))
            if self._log is not None:
                self._log.write_examples(batch)
        return collected(parts or [_nothing(signature)], None)

    def generate(
        self, prompts: Any, max_new_tokens: int = 20, temperature: float = 1.0, seed: int = 0, **reading: Any
    ) -> list[str] | dict[str, npt.NDArray[Any]]:
        """Goes on from prompts, by the signature `generate`.

        Args:
          prompts: texts; or of a model of numbers what `predict` takes.
          max_new_tokens: tokens, or steps, to add.
          temperature: of the draw; 0 takes the likeliest token. Of texts alone.
          seed: of the draw; with one seed a prompt goes on in one way, alone and in any batch.
          reading: how a table is read, see `predict`.

        Returns:
          The text that follows each prompt; of numbers feature to [batch, max_new_tokens].

        Raises:
          CallError: see `serving.call_errors`.
        """
        _check_drawn(max_new_tokens, temperature, seed)
        signature = self._signature(_GENERATE)
        if _PROMPT in signature.inputs:
            drawn = {MAX_NEW_TOKENS: max_new_tokens, "temperature": temperature, "seed": seed}
            return self._texts(signature, prompts, drawn)
        found = request_inputs.read(prompts, request_inputs.features_of(signature), **reading)
        count = {MAX_NEW_TOKENS: np.asarray(max_new_tokens, np.int32)}
        parts = [
            self._ask(_GENERATE, signature, {**inputs, **count}) for inputs in self._batches(found, signature)
        ] or [_nothing(signature)]
        names = {argument_name(name): name for name in found.columns}
        return {names[name]: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def metadata(self) -> dict[str, Signature]:
        """What can be asked of the model: its signatures, as the server has them now.

        Raises:
          CallError: see `serving.call_errors`.
        """
        self._known = self._retried(lambda left: self._channel.signatures(self._asked, left))
        return self._known

    def versions(self) -> list[VersionStatus]:
        """The versions that the server knows, the newest first, and the state of each.

        Raises:
          CallError: see `serving.call_errors`.
        """
        found = self._retried(lambda left: self._channel.status(self._asked, left))
        return sorted(found, key=lambda one: one.version, reverse=True)

    def wait_until_ready(self, timeout_s: float = 60.0) -> VersionStatus:
        """Waits until the model answers, and gives the version that does.

        What is not there yet may still come, so that neither a refused connection nor an unknown model
        ends the waiting.

        Raises:
          DeadlineExceeded: with what was seen last.
        """
        end = time.monotonic() + timeout_s
        seen = "nothing was heard of it"
        while (left := end - time.monotonic()) > 0:
            try:
                found = self._channel.status(self._asked, min(left, self._timeout_s))
            except (Unavailable, NotFound, DeadlineExceeded) as error:
                seen = str(error)
            else:
                if ready := [one for one in found if one.state == "AVAILABLE"]:
                    return max(ready, key=lambda one: one.version)
                seen = ", ".join(f"version {one.version} {one.state} {one.error}".strip() for one in found)
            time.sleep(min(_POLL_S, max(0.0, end - time.monotonic())))
        raise DeadlineExceeded(
            f"{self._asked} at {self._address} is not ready after {timeout_s:.3g} s: {seen}"
        )

    def _texts(self, signature: Signature, prompts: Any, drawn: Mapping[str, Any]) -> list[str]:
        if not isinstance(prompts, Iterable) or isinstance(prompts, str | bytes):
            raise BadRequest("expected a list of prompts, each a str")
        encoded = list(map(_utf8, prompts))
        fixed = {
            name: np.asarray(one, numpy_kind(signature.inputs[name].kind)) for name, one in drawn.items()
        }
        written: list[str] = []
        for start in range(0, len(encoded), self._max_batch):
            batch = np.array(encoded[start : start + self._max_batch], np.object_)
            answer = self._ask(_GENERATE, signature, {_PROMPT: batch, **fixed})
            written += texts(answer["text"]).tolist()
        return written

    def _batches(self, sequences: Sequences, signature: Signature) -> Iterator[dict[str, npt.NDArray[Any]]]:
        for start in range(0, len(sequences), self._max_batch):
            rows = slice(start, min(start + self._max_batch, len(sequences)))
            yield request_inputs.tensors(sequences, signature, rows)

    def _ask(self, name: str, signature: Signature, inputs: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
        try:
            return self._retried(
                lambda left: self._channel.predict(self._asked, name, signature, inputs, left)
            )
        except (BadRequest, NotFound):
            self._known = None  # another version may be served by now, with other features
            raise

    def _signature(self, name: str) -> Signature:
        known = self._known if self._known is not None else self.metadata()
        if name not in known:
            raise NotFound(f"{self._asked} has no signature {name}; it has {', '.join(sorted(known))}")
        return known[name]

    def _inputs(self, name: str) -> Mapping[str, Any]:
        return self._signature(name).inputs if name in (self._known or ()) else {}

    def _retried(self, call: Callable[[float], Result]) -> Result:
        return with_retries(call, self._timeout_s, self._attempts)


def _channel(address: str, credentials: Any, verify: Any, headers: Mapping[str, str] | None) -> Channel:
    if "://" in address:
        import httpx

        from serving.rest_channel import RestChannel

        try:
            return RestChannel(address, headers, verify)
        except httpx.InvalidURL as error:
            raise BadRequest(f"address {address!r}: expected http://host:port or https ({error})") from error
    from serving.grpc_channel import GrpcChannel

    return GrpcChannel(address, credentials, headers)


def _check_asked(address: str, version: int | None, headers: Mapping[str, str] | None) -> None:
    """Raises BadRequest where no request can say this, whichever way it goes."""
    if not isinstance(address, str) or not address.strip():
        raise BadRequest(f"address: expected host:port, or http://host:port, got {address!r}")
    if version is not None and not (isinstance(version, numbers.Integral) and 0 <= version <= LARGEST):
        raise BadRequest(f"version: expected a whole number from 0 to {LARGEST}, got {version!r:.80}")
    for name, value in (headers or {}).items():
        if not all(isinstance(one, str) and one.isascii() and one.isprintable() for one in (name, value)):
            raise BadRequest(f"header {name!r}: expected ASCII text on one line")  # it may be a secret


def _utf8(prompt: Any) -> bytes:
    if not isinstance(prompt, str):
        raise BadRequest(f"expected a list of prompts, each a str, got {type(prompt).__name__}")
    try:
        return prompt.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"expected a prompt that is UTF-8, got {prompt!r:.80}") from error


def _check_drawn(max_new_tokens: int, temperature: float, seed: int) -> None:
    """Raises BadRequest where a number is none that the signature `generate` takes."""
    for name, one, least, most in (
        (MAX_NEW_TOKENS, max_new_tokens, 0, _MOST_NEW_TOKENS),
        ("seed", seed, -_MOST_SEED - 1, _MOST_SEED),
    ):
        whole = isinstance(one, numbers.Integral) and not isinstance(one, bool)
        if not (whole and least <= one <= most):
            raise BadRequest(f"{name}: expected a whole number from {least} to {most}, got {one!r:.80}")
    if not (isinstance(temperature, numbers.Real) and 0 <= temperature <= _HOTTEST):
        raise BadRequest(f"temperature: expected 0 to {_HOTTEST:.3g}, got {temperature!r:.80}")


def _nothing(signature: Signature) -> dict[str, npt.NDArray[Any]]:
    """The answer to no sequences, for which nobody need be asked."""
    return {
        name: np.empty((0, *(size or 0 for size in (one.shape or ())[1:])), numpy_kind(one.kind))
        for name, one in signature.outputs.items()
    }
