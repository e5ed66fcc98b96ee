"""What the loader or a graph refuses."""

NOT_FOUND, INVALID = 5, 3  # codes of absl::StatusCode, which gRPC shares


class ServingError(Exception):
    """What the loader or the graph refused.

    Args:
      code: see `NOT_FOUND`.
      message: TensorFlow's own words.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
