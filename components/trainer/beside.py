"""What lies beside the served model: the schema of its raw features, and requests to try it with."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.ingest.names import argument_name
from components.trainer.inputs import Inputs, read_vocabulary
from components.trainer.scaling import read_scaling
from components.transform.tokens import FIRST_TOKEN, of_one_line

FOLDER = "assets.extra"  # what TensorFlow Serving leaves alone in a SavedModel
SCHEMA, REQUESTS = "raw_schema.pbtxt", "example_requests.json"
SHOWN_SEQUENCES, _SHOWN_STEPS = 3, 20

Row = dict[str, list[Any]]  # feature to its steps


def write_beside(
    folder: str,
    transform: tft.TFTransformOutput,
    inputs: Inputs,
    texts: Sequence[str],
    batch: Mapping[str, tf.Tensor],
    prompt: str | None = None,
) -> None:
    """Writes schema and requests.

    Args:
      folder: of the SavedModel.
      transform: output of Transform.
      inputs: features of the model.
      texts: those that are text, whose words are steps.
      batch: padded sequences; the first ones are shown, turned back into raw values.
      prompt: what stands between tokens in a prompt; None where there is no signature that takes one.
    """
    kept = schema_pb2.Schema()
    kept.feature.extend(one for one in transform.raw_metadata.schema.feature if one.name in inputs.names)
    rows = raw_rows(transform, inputs, texts, batch, " " if prompt is None else prompt)
    requests = example_requests(rows, transform.raw_feature_spec())
    if prompt is not None:
        (name,) = inputs.names
        tokens = [one for one in rows[0][name] if not prompt or not re.search(r"\s", one)][
            : _SHOWN_STEPS // 2
        ]
        requests.append(
            {
                "signature_name": "generate",
                "inputs": {
                    "prompt": [prompt.join(tokens)], "max_new_tokens": 20, "temperature": 0.8, "seed": 1,
                },
            }
        )  # fmt: skip
    tf.io.gfile.makedirs(f"{folder}/{FOLDER}")
    contents = {
        SCHEMA: text_format.MessageToString(kept),
        REQUESTS: "[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in requests) + "\n]\n",
    }
    for name, content in contents.items():
        with tf.io.gfile.GFile(f"{folder}/{FOLDER}/{name}", "w") as file:
            file.write(content)


def raw_rows(
    transform: tft.TFTransformOutput,
    inputs: Inputs,
    texts: Sequence[str],
    batch: Mapping[str, tf.Tensor],
    between: str = " ",
) -> list[Row]:
    """The first sequences of a batch in raw values: of a text one step, of an unknown token none.

    `between` stands between the tokens of a text; nothing where they bring their own blanks.
    """
    count = min(SHOWN_SEQUENCES, len(batch["mask"]))
    lengths = np.minimum(batch["mask"].numpy()[:count].sum(axis=1), _SHOWN_STEPS)
    spec = transform.raw_feature_spec()
    columns: dict[str, list[list[Any]]] = {}
    if inputs.numbers:
        scaling = read_scaling(transform, inputs.numbers)
        values = np.nan_to_num(batch["numbers"].numpy()[:count]) * scaling.deviation + scaling.mean
        for place, name in enumerate(inputs.numbers):
            whole = spec[name].dtype.is_integer
            kind = np.int64 if whole else np.float32
            columns[name] = _cut(
                np.rint(values[:, :, place]) if whole else values[:, :, place], lengths, kind
            )
    for place, name in enumerate(inputs.tokens):
        known = [""] * FIRST_TOKEN + [of_one_line(token) for token in read_vocabulary(transform, name)]
        tokens = np.array(known, dtype=object)[batch["tokens"].numpy()[:count, :, place]]
        columns[name] = _cut(tokens, lengths, np.object_)
    rows = [{name: columns[name][row] for name in inputs.names} for row in range(count)]
    return [_by_text(row, texts, between) for row in rows]


def _cut(values: npt.NDArray[Any], lengths: npt.NDArray[np.int64], kind: Any) -> list[list[Any]]:
    return [row[:length].astype(kind).tolist() for row, length in zip(values, lengths, strict=True)]


def _by_text(row: Row, texts: Sequence[str], between: str) -> Row:
    if not texts:
        return row
    return {name: [between.join(steps)] if name in texts else steps[:1] for name, steps in row.items()}


def example_requests(rows: Sequence[Row], spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bodies of requests to TensorFlow Serving's REST interface, one a signature."""
    lengths = [max(map(len, row.values()), default=0) for row in rows]
    width = max(1, *lengths)
    tensors: dict[str, list[Any]] = {"lengths": lengths}
    for name in rows[0]:
        filler = {tf.string: "", tf.int64: 0}.get(spec[name].dtype, 0.0)
        tensors[argument_name(name)] = [row[name] + [filler] * (width - len(row[name])) for row in rows]
    encoded = [base64.b64encode(_example(row, spec)).decode() for row in rows]
    return [
        {"signature_name": "sequences", "inputs": tensors},
        {"signature_name": "serving_default", "inputs": {"examples": [{"b64": one} for one in encoded]}},
    ]


def _example(row: Row, spec: Mapping[str, Any]) -> bytes:
    features = {}
    for name, steps in row.items():
        kind = spec[name].dtype
        if kind == tf.string:
            texts = tf.train.BytesList(value=[step.encode() for step in steps])
            features[name] = tf.train.Feature(bytes_list=texts)
        elif kind == tf.int64:
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=steps))
        else:
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=steps))
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString(deterministic=True))
