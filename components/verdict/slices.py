"""Slices of the data: which there are, and how they are said in words."""

from collections.abc import Mapping

from pipeline.config import Config

Slice = Mapping[str, str]  # feature to value; empty for overall
TIME = "time"  # the slice by the period that a sequence's last step lies in
BY_RULE = ("sequence_length", "label", TIME)  # slices that are no column


def has_classes(config: Config) -> bool:
    """Whether the label is one of few classes."""
    return config.task in ("binary", "multiclass")


def sliced_by(config: Config) -> tuple[str, ...]:
    """What the evaluation is sliced by besides overall: `gate.slices` and every column of `data.slices`."""
    named = config.gate.slices
    if named is None:
        there = (True, has_classes(config), config.data.time is not None)
        named = tuple(name for name, is_there in zip(BY_RULE, there, strict=True) if is_there)
    return tuple(dict.fromkeys((*named, *config.data.slices)))


def slice_text(where: Slice) -> str:
    """A slice in words, such as `label=peak`; `overall` for all sequences."""
    return ", ".join(f"{feature}={value}" for feature, value in where.items()) or "overall"
