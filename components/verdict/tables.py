"""Tables of text in TFMA's results."""

import base64
from collections.abc import Mapping
from typing import Any


def rows_of(value: Mapping[str, Any]) -> list[list[str]]:
    """Reads what TFMA makes of a table of text: its shape, and base64 of each cell."""
    array = value["arrayValue"]
    cells = [base64.b64decode(cell).decode() for cell in array["bytesValues"]]
    width = array["shape"][1]
    return [cells[start : start + width] for start in range(0, len(cells), width)]
