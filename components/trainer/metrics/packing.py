"""Arrays of numbers as text that TFMA passes on as it is, to the last bit."""

import base64

import numpy as np
import numpy.typing as npt


def packed(rows: npt.NDArray[np.float64]) -> str:
    """Numbers as one cell of a table of text."""
    return base64.b64encode(rows.astype("<f8").tobytes()).decode()


def unpacked(cell: str, width: int) -> npt.NDArray[np.float64]:
    """The rows of `width` numbers that were packed."""
    return np.frombuffer(base64.b64decode(cell), "<f8").astype(np.float64).reshape(-1, width)
