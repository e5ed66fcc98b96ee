"""The JSON Schema of the configuration file, so that editors complete it.

`make schema` writes it to config.schema.json.
"""

import json
import sys

from pipeline.config import Config


def json_schema() -> str:
    """The JSON Schema."""
    return json.dumps(Config.model_json_schema(by_alias=True), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(json_schema())
