"""Slices of the data, and how they are said in words."""

from collections.abc import Mapping

Slice = Mapping[str, str]  # feature to value; empty for overall


def slice_text(where: Slice) -> str:
    """A slice in words, such as `label=peak`; `overall` for all sequences."""
    return ", ".join(f"{feature}={value}" for feature, value in where.items()) or "overall"
