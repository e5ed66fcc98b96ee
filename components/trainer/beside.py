"""What lies beside the served model, and what it is expected to be and to answer.

In the export: the schema of its raw features, requests to try it with, requests to warm it up. Outside
of it: the digests of its files, and requests with the answers that the trainer gave before it exported.
All requests are made up, see `Synthetic`.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.trainer.export import ServedModel
from components.trainer.generation import TokenAnswer
from components.trainer.inputs import Inputs
from components.trainer.requests import Request, as_json, requests
from components.trainer.series import SeriesAnswer
from components.trainer.synthetic import Synthetic
from components.trainer.warmup import WARMUP, write_warmup
from pipeline import fingerprint, locations

FOLDER = "assets.extra"  # what TensorFlow Serving leaves alone in a SavedModel
SCHEMA, REQUESTS = "raw_schema.pbtxt", "example_requests.json"
EXPECTED = "expected.json"  # in the ModelRun artifact
_SHOWN_SEQUENCES, _SHOWN_STEPS = 3, 20
_STORED = 32  # sequences whose answers are kept, or fewer of long ones
_WARMED_UP = (1, 8, 64)  # sequences in a request, or fewer of long ones
_MOST_STEPS = 20_000  # in a request


class Beside:
    """Writes it.

    Args:
      folder: of the SavedModel, which is there already.
      served: the model that was exported.
      transform: output of Transform.
      inputs: features of the model.
      texts: those that are text, whose words are steps.
      lengths: [N] steps of the training sequences.
    """

    def __init__(
        self,
        folder: str,
        served: ServedModel,
        transform: tft.TFTransformOutput,
        inputs: Inputs,
        texts: Sequence[str],
        lengths: npt.NDArray[np.int64],
    ) -> None:
        self._folder, self._served, self._inputs = folder, served, inputs
        self._schema, self._spec = transform.raw_metadata.schema, transform.raw_feature_spec()
        answer = served.answer
        self._prompt = answer.between if isinstance(answer, TokenAnswer) else None
        self._series = isinstance(answer, SeriesAnswer)
        between = " " if self._prompt is None else self._prompt
        self._synthetic = Synthetic(transform, inputs, texts, between)
        self._usual = [int(one) for one in np.quantile(lengths, [0, 0.25, 0.5, 0.75, 1], method="nearest")]

    def write(self, expected: str) -> None:
        """Writes all of it; `expected` is the file of what is expected."""
        folder = f"{self._folder}/{FOLDER}"
        tf.io.gfile.makedirs(folder)
        kept = schema_pb2.Schema()
        kept.feature.extend(one for one in self._schema.feature if one.name in self._inputs.names)
        _write(f"{folder}/{SCHEMA}", text_format.MessageToString(kept))
        _write(f"{folder}/{REQUESTS}", self._examples())
        write_warmup(f"{folder}/{WARMUP}", self._warmup())
        _write(expected, json.dumps(self._expected()) + "\n")

    def _examples(self) -> str:
        lengths = [min(one, _SHOWN_STEPS) for one in self._usual[-_SHOWN_SEQUENCES:]]
        shown = [as_json(one) for one in self._requests(lengths)]
        return "[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in shown) + "\n]\n"

    def _warmup(self) -> list[Request]:
        typical, longest = self._usual[2], self._usual[-1]
        lengths = dict.fromkeys((typical, longest))
        batches = {(min(count, _fitting(length)), length): None for count in _WARMED_UP for length in lengths}
        return [one for count, length in batches for one in self._requests([length] * count)]

    def _requests(self, lengths: Sequence[int], *, odd: bool = False) -> list[Request]:
        rows = self._synthetic.rows(lengths, odd=odd)
        return requests(rows, self._spec, prompt=self._prompt, series=self._series)

    def _expected(self) -> dict[str, Any]:
        """Digests of the files, requests of all lengths, none and too many steps among them, and answers."""
        beyond = self._usual[-1] + min(self._usual[-1], 100) + 1
        lengths = [0, 1, beyond, *self._usual]
        count = max(len(lengths), min(_STORED, _fitting(beyond)))
        asked = self._requests([lengths[at % len(lengths)] for at in range(count)], odd=True)
        (examples,) = (one.inputs["examples"] for one in asked if one.signature == "serving_default")
        answers = {name: one.numpy() for name, one in self._served.answers(tf.constant(examples)).items()}
        return {
            "files": files_of(self._folder),
            "requests": [as_json(one) for one in asked],
            "answers": {name: _listed(one) for name, one in answers.items()},
            "units": self._served.answer.units,
        }


def _fitting(length: int) -> int:
    """How many sequences of a length a request holds."""
    return max(1, _MOST_STEPS // max(1, length))


def files_of(folder: str) -> dict[str, dict[str, Any]]:
    """The files of a folder, local or remote: of each relative path `bytes` and `sha256`."""
    return {name: _digest(f"{folder}/{name}") for name in locations.files_below(folder)}


def _digest(path: str) -> dict[str, Any]:
    with locations.open_bytes(path) as file:
        digest = fingerprint.digest_of(file)
    return {"bytes": digest.size, "sha256": digest.sha256}


def _listed(array: npt.NDArray[Any]) -> Any:
    if array.dtype != np.object_:
        return array.tolist()
    return np.vectorize(lambda text: text.decode(errors="replace"), otypes=[np.object_])(array).tolist()


def _write(path: str, content: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(content)
