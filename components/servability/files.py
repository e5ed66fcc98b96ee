"""Whether every file of an export is there and is what the trainer wrote."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.servability.checks import RETRAIN, Check
from components.trainer.beside import files_of

GRAPH, INDEX = "saved_model.pb", "variables/variables.index"
# What a file is, by how its path begins, and what TensorFlow Serving makes of a damaged one.
_ROLES = (
    (GRAPH, "the graph", "the server does not load the model"),
    (INDEX, "the index of the weights", "the server loads the model, and each request fails"),
    ("variables/", "weights", "the server does not load the model, or answers with others"),
    ("assets/", "a vocabulary or another asset", "the server answers wrongly without a word"),
    ("assets.extra/tf_serving_warmup_requests", "the warm-up requests", "the server does not load the model"),
    ("assets.extra/", "a file for callers", "callers are told wrong things"),
)
_HARMLESS = ("fingerprint.pb",)  # the server does not miss it


def check_files(folder: str, expected: Mapping[str, Mapping[str, Any]]) -> Check:
    """Compares the files of an export with what the trainer wrote.

    Args:
      folder: of the export.
      expected: of each relative path `bytes` and `sha256`.
    """
    return Check("files", (*_links(folder), *_differences(files_of(folder), expected)), RETRAIN)


def _links(folder: str) -> Iterator[str]:
    for path in sorted(Path(folder).rglob("*")):
        if path.is_symlink():
            yield f"{path.relative_to(folder)} is a link to {path.readlink()}, which the server need not have"


def _differences(
    found: Mapping[str, Mapping[str, Any]], expected: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    for path, one in expected.items():
        if path not in found:
            if path not in _HARMLESS:
                yield f"{_named(path)} is missing: {_consequence(path)}"
        elif found[path]["bytes"] != one["bytes"]:
            sizes = f"{found[path]['bytes']:,} bytes instead of {one['bytes']:,}"
            yield f"{_named(path)} has {sizes}: {_consequence(path)}"
        elif found[path]["sha256"] != one["sha256"]:
            yield f"{_named(path)} holds other bytes than the trainer wrote: {_consequence(path)}"
    for path in sorted(set(found) - set(expected)):
        yield f"{path} is no file of the trainer's: someone else wrote into the export"


def _named(path: str) -> str:
    return f"{path} ({_role(path)[1]})"


def _consequence(path: str) -> str:
    return _role(path)[2]


def _role(path: str) -> tuple[str, str, str]:
    nested = (path, "a nested graph", "what reads it fails")
    if path.endswith(f"/{GRAPH}"):
        return nested
    return next((role for role in _ROLES if path.startswith(role[0])), (path, "a file", "it may be needed"))
