"""Slices of the data: which there are, and how they are said in words."""

from collections.abc import Mapping

from pipeline.config import Config

Slice = Mapping[str, str]  # feature to value; empty for overall


def has_classes(config: Config) -> bool:
    """Whether the label is one of few classes."""
    return config.task in ("binary", "multiclass")


def sliced_by(config: Config) -> tuple[str, ...]:
    """What the evaluation is sliced by besides overall.

    The default of `gate.slices` has `label`, which only classes can be sliced by.
    """
    if has_classes(config) or "slices" in config.gate.model_fields_set:
        return config.gate.slices
    return tuple(name for name in config.gate.slices if name != "label")


def slice_text(where: Slice) -> str:
    """A slice in words, such as `label=peak`; `overall` for all sequences."""
    return ", ".join(f"{feature}={value}" for feature, value in where.items()) or "overall"
