"""JSON files that lie in artifacts, local or remote."""

import json
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tfx.utils import io_utils


def read(uri: str, name: str) -> dict[str, Any]:
    """A JSON file of an artifact, such as `verdict.json`."""
    with tf.io.gfile.GFile(f"{uri.rstrip('/')}/{name}") as file:
        found: dict[str, Any] = json.loads(file.read())
    return found


def write(uri: str, name: str, content: Mapping[str, object]) -> None:
    """Writes one."""
    io_utils.write_string_file(f"{uri}/{name}", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
