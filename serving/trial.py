"""What to type to try a model that is being served."""

import json
import shlex
from pathlib import Path
from typing import Any

_REQUESTS = Path("assets.extra", "example_requests.json")
_STEPS = 3
_LENGTHS, _INPUTS = "lengths", "inputs"


def curl_line(folder: Path, url: str) -> str:
    """A curl command that the version in a folder answers.

    Args:
      folder: of the version; it holds example requests where Sluice exported it.
      url: of the model, such as `http://127.0.0.1:8501/v1/models/demo`.
    """
    body = _body(folder / _REQUESTS)
    if body is None:
        return f"curl {url}/metadata"
    return f"curl -d {shlex.quote(json.dumps(body, ensure_ascii=False))} {url}:predict"


def _body(requests: Path) -> dict[str, Any] | None:
    """The first steps of the first sequence of the requests beside the model."""
    if not requests.is_file():
        return None
    found = json.loads(requests.read_text(encoding="utf-8"))
    asked = next((one for one in found if _LENGTHS in one.get(_INPUTS, {})), None)
    if asked is None:
        return found[0] if found else None
    length = max(1, min(_STEPS, asked[_INPUTS][_LENGTHS][0]))
    cut = {name: [rows[0][:length]] for name, rows in asked[_INPUTS].items() if name != _LENGTHS}
    return {**asked, _INPUTS: {_LENGTHS: [length], **cut}}
