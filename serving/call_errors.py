"""What can go wrong when a model is asked.

    CallError                code, and the server's own words
    ├── Unavailable          UNAVAILABLE, 503, refused and broken connections; alone is worth another try
    ├── DeadlineExceeded     no answer in time
    ├── NotFound             no such model, version, label or signature
    ├── BadRequest           the request is wrong; also where the client refused to send it
    ├── TooMuch              RESOURCE_EXHAUSTED, 413, 429: too large, or too many at once
    └── ServerFailed         everything else

`code` is the name of a gRPC status, whichever way the request went.
"""


class CallError(Exception):
    """A request that was not answered.

    Args:
      message: the server's own words, or what was expected and what came.
      code: name of a gRPC status; that of the class where it is not given.
    """

    default = "UNKNOWN"

    def __init__(self, message: str, code: str = "") -> None:
        self.code = code or self.default
        self.message = message
        super().__init__(f"{self.code}: {message}")


class Unavailable(CallError):
    """Nobody is there, or who is cannot answer yet."""

    default = "UNAVAILABLE"


class DeadlineExceeded(CallError):
    """The time was over before the answer came."""

    default = "DEADLINE_EXCEEDED"


class NotFound(CallError):
    """No such model, version or label."""

    default = "NOT_FOUND"


class BadRequest(CallError):
    """The request cannot be answered as it is, now or later."""

    default = "INVALID_ARGUMENT"


class TooMuch(CallError):
    """The request is larger than the server takes, or it has too many."""

    default = "RESOURCE_EXHAUSTED"


class ServerFailed(CallError):
    """The server failed in a way of its own."""

    default = "INTERNAL"


_BY_CODE: dict[str, type[CallError]] = {
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "NOT_FOUND": NotFound,
    "INVALID_ARGUMENT": BadRequest,
    "FAILED_PRECONDITION": BadRequest,
    "OUT_OF_RANGE": BadRequest,
    "UNIMPLEMENTED": BadRequest,
    "RESOURCE_EXHAUSTED": TooMuch,
}
_BY_HTTP = {
    400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 405: "UNIMPLEMENTED", 408: "DEADLINE_EXCEEDED",
    412: "FAILED_PRECONDITION", 413: "RESOURCE_EXHAUSTED", 429: "RESOURCE_EXHAUSTED", 501: "UNIMPLEMENTED",
    503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def of_code(code: str, message: str) -> CallError:
    """The error of a gRPC status."""
    return _BY_CODE.get(code, ServerFailed)(message, code)


def of_http(status: int, message: str) -> CallError:
    """The error of an HTTP status."""
    return of_code(_BY_HTTP.get(status, "INTERNAL"), message)
