"""Writes a first schema to review: what ingest would write, feature by feature."""

from collections.abc import Sequence

import pyarrow as pa
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.ingest.layout import Layout

_TYPES = {"float": schema_pb2.FLOAT, "integer": schema_pb2.INT}  # of a feature; of other kinds BYTES


def schema_text(layout: Layout, classes: Sequence[str], looked_at: str) -> str:
    """A `tensorflow_metadata` Schema in text format: names, types and presence.

    Args:
      layout: the source.
      classes: every value of the label; empty where they are not all known, or the label is a number.
      looked_at: what it is made from, in words.
    """
    types = {"sequence_id": schema_pb2.BYTES, "sequence_length": schema_pb2.INT}
    if layout.data.window is not None:
        types |= {"series_id": schema_pb2.BYTES, "window_start": schema_pb2.INT}
    if layout.time is not None:
        types["step_time"] = schema_pb2.FLOAT if pa.types.is_floating(layout.time) else schema_pb2.INT
    if layout.has_label:
        types[layout.config.label] = schema_pb2.FLOAT if layout.label_is_number else schema_pb2.BYTES
    types |= {name: _TYPES.get(kind, schema_pb2.BYTES) for name, kind in layout.kinds.items()}
    schema = schema_pb2.Schema()
    for name, kind in types.items():
        feature = schema.feature.add(name=name, type=kind)
        feature.presence.min_count, feature.presence.min_fraction = 1, 1.0
        if classes and layout.has_label and name == layout.config.label:
            feature.string_domain.value.extend(classes)
    without = "" if layout.has_label else "# It has no label: there is none, or it could not be told.\n"
    return (
        f"# A first schema, made by `sluice init` from {looked_at}.\n# Review it: it has no bounds yet.\n"
        f"{without}# It is held against the data where the configuration names it, as `schema:`.\n"
        f"{text_format.MessageToString(schema, as_utf8=True)}"
    )
