"""What the schema says about each feature, in plain values."""

from collections.abc import Mapping
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import schema_pb2

FLOAT, INT, BYTES = "float", "int", "bytes"
_TYPES = {schema_pb2.FLOAT: FLOAT, schema_pb2.INT: INT, schema_pb2.BYTES: BYTES}
TYPE_NAMES = {FLOAT: "float32", INT: "int64", BYTES: "bytes"}


@dataclass(frozen=True)
class Contract:
    """A schema.

    Attributes:
      types: feature to `float`, `int` or `bytes`.
      required: the features that every Example must have.
      values: feature to the values of its domain, where it has one that lists them.
      ranges: feature to the least and the largest number of its domain.
    """

    types: Mapping[str, str]
    required: frozenset[str]
    values: Mapping[str, tuple[str, ...]]
    ranges: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, schema: schema_pb2.Schema) -> "Contract":
        """What a schema says."""
        domains = {domain.name: tuple(domain.value) for domain in schema.string_domain}
        values = {
            feature.name: tuple(feature.string_domain.value) or domains.get(feature.domain, ())
            for feature in schema.feature
            if feature.HasField("string_domain") or feature.HasField("domain")
        }
        return cls(
            types={
                feature.name: _TYPES[feature.type] for feature in schema.feature if feature.type in _TYPES
            },
            required=frozenset(
                feature.name
                for feature in schema.feature
                if feature.presence.min_fraction == 1 and feature.lifecycle_stage != schema_pb2.DEPRECATED
            ),
            values={name: domain for name, domain in values.items() if domain},
            ranges={feature.name: found for feature in schema.feature if (found := _range(feature))},
        )


def _range(feature: schema_pb2.Feature) -> tuple[float, float] | None:
    """The bounds of a number's domain; where only one is given, the other is infinite."""
    for kind in ("int_domain", "float_domain"):
        if feature.HasField(kind):
            domain = getattr(feature, kind)
            low = domain.min if domain.HasField("min") else float("-inf")
            high = domain.max if domain.HasField("max") else float("inf")
            return (low, high) if (low, high) != (float("-inf"), float("inf")) else None
    return None
