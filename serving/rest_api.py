"""The REST interface of TensorFlow Serving, as a WSGI application."""

from collections.abc import Iterable
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule, UnicodeConverter
from werkzeug.wrappers import Request, Response

from serving import json_answers, json_requests
from serving.asked_model import Asked
from serving.asking import DEFAULT_SIGNATURE, Asking
from serving.held import Held
from serving.loader.errors import INVALID, ServingError
from serving.method_names import refuse_method
from serving.status import chosen_states, metadata_page, status_page

_STATUS = {
    1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501,
    13: 500, 14: 503, 15: 500, 16: 401,
}  # fmt: skip
_LARGEST_VERSION = 2**63 - 1
METRICS_PATH = "/monitoring/prometheus/metrics"


class _Name(UnicodeConverter):
    def __init__(self, map: Map) -> None:  # noqa: A002 (werkzeug's name)
        super().__init__(map)
        self.regex = "[^/:]+"


class _Digits(UnicodeConverter):
    def __init__(self, map: Map) -> None:  # noqa: A002 (werkzeug's name)
        super().__init__(map)
        self.regex = "[0-9]+"


def _rules() -> Iterable[Rule]:
    for chosen in ("", "/versions/<digits:version>", "/labels/<name:label>"):
        model = f"/v1/models/<name:model>{chosen}"
        for method in ("predict", "classify", "regress"):
            yield Rule(f"{model}:{method}", endpoint=method, methods=["POST"])
        yield Rule(model, endpoint="status", methods=["GET"])
        yield Rule(f"{model}/metadata", endpoint="metadata", methods=["GET"])
    yield Rule("/v1/models", endpoint="nameless", methods=["GET"])
    yield Rule(METRICS_PATH, endpoint="metrics", methods=["GET"])


class RestApi:
    """The application.

    Args:
      asking: answers requests.
      timeout_s: of a request; the real server's default is 30.
    """

    def __init__(self, asking: Asking, timeout_s: float) -> None:
        self._asking, self._timeout_s = asking, timeout_s
        converters = {"name": _Name, "digits": _Digits}
        self._map = Map(list(_rules()), converters=converters, merge_slashes=False, strict_slashes=True)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """WSGI."""
        request = Request(environ)
        return self._respond(request)(environ, start_response)

    def _respond(self, request: Request) -> Response:
        try:
            endpoint, values = self._map.bind_to_environ(request.environ).match()
            return getattr(self, f"_{endpoint}")(request, **values)  # type: ignore[no-any-return]
        except ServingError as error:
            return _json(json_answers.error(str(error)), _STATUS.get(error.code, 500))
        except HTTPException as error:
            if not request.path.startswith("/v1/"):
                return _json(json_answers.error(f"Not found: {request.path}"), error.code or 404)
            malformed = f"Malformed request: {request.method} {request.path}"
            return _json(json_answers.error(malformed), 400)

    def _predict(self, request: Request, **chosen: str) -> Response:
        spec = _spec(**chosen)
        with self._asking.counted(spec, "REST"):
            asked = json_requests.parse(request.get_data())
            with self._asking.use(spec) as held:
                signature = asked.signature or DEFAULT_SIGNATURE
                inputs = json_requests.arrays(asked, _inputs(held, signature))
                found = self._asking.predict(held, signature, inputs, timeout_s=self._timeout_s)
            return _json(json_answers.answer(found, by_row=asked.by_row))

    def _classify(self, _request: Request, **chosen: str) -> Response:
        return self._refuse("classify", **chosen)

    def _regress(self, _request: Request, **chosen: str) -> Response:
        return self._refuse("regress", **chosen)

    def _refuse(self, method: str, **chosen: str) -> Response:
        with self._asking.use(_spec(**chosen)) as held:
            refuse_method(held, DEFAULT_SIGNATURE, method)
        raise AssertionError(method)

    def _status(self, _request: Request, **chosen: str) -> Response:
        return _json(status_page(chosen_states(self._asking.versions, _spec(**chosen))).encode())

    def _metadata(self, _request: Request, **chosen: str) -> Response:
        spec = _spec(**chosen)
        with self._asking.use(spec) as held:
            return _json(metadata_page(spec.name, held).encode())

    def _nameless(self, _request: Request) -> Response:
        raise ServingError(INVALID, "Missing model name in request.")

    def _metrics(self, _request: Request) -> Response:
        return Response(self._asking.metrics.page(), content_type="text/plain")


def _inputs(held: Held, signature: str) -> json_requests.Inputs:
    if signature not in held.model.signatures:
        raise ServingError(INVALID, f'Serving signature name: "{signature}" not found in signature def')
    if inputs := held.model.signatures[signature].inputs:
        return inputs
    raise ServingError(INVALID, f"Failed to get input map for signature: {signature}")


def _spec(model: str, version: str | None = None, label: str | None = None) -> Asked:
    if version is not None and int(version[:30]) > _LARGEST_VERSION:
        raise ServingError(INVALID, f"Failed to convert version: {version} to numeric.")
    return Asked(model, None if version is None else int(version), label)


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, content_type="application/json")
