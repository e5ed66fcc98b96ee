"""Keeps a sample of what a model is asked, as tf.Examples: what `sluice drift` compares with training.

It holds what users sent: whoever turns it on decides where that may lie, and for how long.
"""

import atexit
import logging
import queue
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.ingest.example_bytes import serialize
from components.ingest.names import argument_name
from serving.log_files import LogFiles
from serving.request_inputs import LENGTHS

_PENDING_BYTES = 64 << 20  # of requests that wait to be written; what comes beyond is left out
_PENDING_REQUESTS = 1_000
_OBJECT_BYTES = 64  # of one text in memory, about
_FLUSH_S = 10.0
_EXAMPLES, _SEQUENCES = "serving_default", "sequences"
_logger = logging.getLogger(__name__)

Tensors = Mapping[str, npt.NDArray[Any]]
Rows = npt.NDArray[np.int64]


class RequestLog:
    """Writes a sample of requests in the background; it neither delays a request nor fails it.

    Each sequence, or request, is drawn by itself with probability `rate`, so that the sample is one of
    all of them. What cannot be written is left out, and said once, until writing succeeds again. A
    process that forks makes its log afterwards, for the thread that writes does not come along.

    Args:
      folder: of the files, see `serving.log_files`.
      rate: share to keep, 0 to 1.
      per: whether single sequences are drawn or whole requests.
      seed: of the draw; None is another one each time.
      max_bytes: of all files of the folder; the oldest are removed beyond it.
      file_bytes: size from which on the next file begins; None is a sixteenth of `max_bytes`.

    Attributes:
      written: sequences that were written.
      left_out: sequences that were not written: the disk, or the backlog, was full, or they have other
        features than the log knows.
    """

    def __init__(
        self,
        folder: str | Path,
        rate: float,
        *,
        per: Literal["sequence", "request"] = "sequence",
        seed: int | None = None,
        max_bytes: int = 1 << 30,
        file_bytes: int | None = None,
    ) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate: expected 0 to 1, got {rate}")
        if per not in ("sequence", "request"):
            raise ValueError(f"per: expected sequence or request, got {per!r}")
        if max_bytes < 1 or (file_bytes is not None and not 1 <= file_bytes <= max_bytes):
            raise ValueError(f"file_bytes: expected 1 to max_bytes ({max_bytes}), got {file_bytes}")
        self._rate, self._per = rate, per
        self._files = LogFiles(Path(folder), file_bytes or max(1, max_bytes // 16), max_bytes)
        self._random, self._lock = np.random.default_rng(seed), threading.Lock()
        self._pending: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._pending_bytes = self._pending_requests = 0
        self.written = self.left_out = 0
        self._failing = self._refusing = self._closed = False
        self._thread: threading.Thread | None = None
        _open_logs.add(self)

    def write_examples(self, examples: Sequence[bytes]) -> None:
        """Takes serialized tf.Examples, as `serving_default` does."""
        drawn = self._draw(len(examples))
        if len(drawn):
            chosen = [examples[place] for place in drawn]
            self._put(lambda: chosen, len(drawn), sum(map(len, chosen)))

    def write_sequences(self, inputs: Tensors, names: Mapping[str, str]) -> None:
        """Takes the inputs of `sequences`; what stands behind a length is left out.

        Args:
          inputs: `lengths` [batch] and per feature [batch, steps].
          names: argument to feature; what is none of them, such as `max_new_tokens`, is left out.
        """
        drawn = self._draw(len(inputs[LENGTHS]))
        if not len(drawn):
            return
        # Copies: the caller may use its arrays again.
        lengths = np.asarray(inputs[LENGTHS], np.int64)[drawn]
        columns = {name: np.asarray(inputs[argument])[drawn] for argument, name in names.items()}
        size = sum(
            one.size * _OBJECT_BYTES if one.dtype == np.object_ else one.nbytes for one in columns.values()
        )
        self._put(lambda: serialize(_lists(lengths, columns)).to_pylist(), len(drawn), size)

    def refuse(self, count: int, error: Exception) -> None:
        """Counts sequences that cannot be kept, and says so once."""
        with self._lock:
            self.left_out += count
            said, self._refusing = self._refusing, True
        if not said:
            _logger.warning("requests cannot be kept as they are, and are left out: %r", error)

    def flush(self, timeout_s: float = _FLUSH_S) -> bool:
        """Waits until all that was taken is written; false where it still is not."""
        if self._thread is None:
            return True
        done = threading.Event()
        self._pending.put(done)
        return done.wait(timeout_s)

    def close(self) -> None:
        """Writes what was taken and gives the last file its name; nothing is taken any more."""
        with self._lock:
            closed, self._closed = self._closed, True
        if closed:
            return
        if self._thread is not None:
            self._pending.put(None)
            self._thread.join(_FLUSH_S)

    def __enter__(self) -> "RequestLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _draw(self, count: int) -> Rows:
        """Which of so many sequences are kept."""
        with self._lock:
            if self._closed:
                return np.zeros(0, np.int64)
            if self._per == "request":
                return np.arange(count if self._random.random() < self._rate else 0)
            return np.flatnonzero(self._random.random(count) < self._rate)

    def _put(self, records: Callable[[], list[bytes]], count: int, size: int) -> None:
        with self._lock:
            full = self._pending_bytes + size > _PENDING_BYTES or self._pending_requests >= _PENDING_REQUESTS
            if full or self._closed:
                self.left_out += count
                return
            self._pending_bytes += size
            self._pending_requests += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="request log", daemon=True)
                self._thread.start()
            self._pending.put((records, count, size))

    def _work(self) -> None:
        while (item := self._pending.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
                continue
            records, count, size = item
            self._try(partial(self._append, records), count)
            with self._lock:
                self._pending_bytes -= size
                self._pending_requests -= 1
        self._try(self._files.close, 0)

    def _append(self, records: Callable[[], list[bytes]]) -> None:
        self._files.append(records())

    def _try(self, act: Callable[[], None], count: int) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 (no request may fail for the sake of its log)
            self.left_out += count
            if not self._failing:
                _logger.warning("the request log cannot be written, requests are left out: %s", error)
            self._failing = True
        else:
            self.written += count
            self._failing = False


def hook(log: RequestLog, raw_schema: str | Path) -> Callable[[str, Tensors], None]:
    """What a server calls for each request: `on_request(signature, inputs)`.

    Requests of other signatures than `serving_default` and `sequences` are left alone.

    Args:
      log: takes them.
      raw_schema: `assets.extra/raw_schema.pbtxt` of the export, which has the features' own names.

    Raises:
      OSError: the schema cannot be read.
    """
    names = {argument_name(name): name for name in feature_names(raw_schema)}

    def on_request(signature: str, inputs: Tensors) -> None:
        try:
            if signature == _EXAMPLES:
                (examples,) = inputs.values()
                log.write_examples(examples.ravel().tolist())
            elif signature == _SEQUENCES:
                log.write_sequences(inputs, names)
        except Exception as error:  # noqa: BLE001 (no request may fail for the sake of its log)
            log.refuse(_count(inputs), error)

    return on_request


def _count(inputs: Tensors) -> int:
    """The sequences of a request, which may be no request that can be read."""
    return max((len(one) for one in inputs.values() if one.ndim), default=1)


def feature_names(raw_schema: str | Path) -> list[str]:
    """The features that a model reads, by their own names."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = text_format.Parse(Path(raw_schema).read_text(encoding="utf-8"), schema_pb2.Schema())
    return [feature.name for feature in schema.feature]


def _lists(lengths: Rows, columns: Mapping[str, npt.NDArray[Any]]) -> dict[str, pa.Array]:
    """The steps of each sequence as a list, without padding."""
    found = {}
    for name, steps in columns.items():
        possible = np.clip(lengths, 0, steps.shape[1])
        offsets = np.concatenate([[0], np.cumsum(possible)]).astype(np.int32)
        inside = steps[np.arange(steps.shape[1]) < possible[:, None]]
        values = pa.array(inside.tolist(), pa.binary()) if inside.dtype == np.object_ else pa.array(inside)
        found[name] = pa.ListArray.from_arrays(pa.array(offsets), values)
    return found


_open_logs: "weakref.WeakSet[RequestLog]" = weakref.WeakSet()


@atexit.register
def _close_logs() -> None:
    for log in list(_open_logs):
        log.close()
