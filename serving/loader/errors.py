"""What the loader or a graph refuses."""

# Codes of absl::StatusCode, which gRPC shares.
INVALID, DEADLINE_EXCEEDED, NOT_FOUND, FAILED_PRECONDITION = 3, 4, 5, 9
UNIMPLEMENTED, INTERNAL, DATA_LOSS = 12, 13, 15


class ServingError(Exception):
    """What the loader or the graph refused.

    Args:
      code: see `NOT_FOUND`.
      message: TensorFlow's own words.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
