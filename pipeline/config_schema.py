"""The JSON Schema of the configuration file, so that editors complete it.

`make schema` writes it to config.schema.json.
"""

import json
import sys
from typing import Any

from pipeline.config import Config
from pipeline.config_checks import NOT_YET


def json_schema() -> str:
    """The JSON Schema; what is not available yet is marked, or taken out of the choices."""
    schema = Config.model_json_schema(by_alias=True)
    for dotted, values in NOT_YET.items():
        _mark(_property(schema, dotted.split(".")), values)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _property(schema: dict[str, Any], path: list[str]) -> dict[str, Any]:
    section = schema
    for key in path[:-1]:
        section = schema["$defs"][section["properties"][key]["$ref"].rpartition("/")[2]]
    found: dict[str, Any] = section["properties"][path[-1]]
    return found


def _mark(entry: dict[str, Any], values: tuple[str, ...] | None) -> None:
    if values is None:
        entry["description"] = f"not available yet: {entry.get('description', '')}".rstrip(": ")
    for choice in (entry, *entry.get("anyOf", ())):
        if values and "enum" in choice:
            choice["enum"] = [value for value in choice["enum"] if value not in values]


if __name__ == "__main__":
    sys.stdout.write(json_schema())
