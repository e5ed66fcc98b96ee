"""A stand-in for tensorflow_model_server: its gRPC and REST interfaces over the same C++ loader.

It is there to try a pushed model where the real server cannot run, and for tests: it follows versions,
answers and refuses as the real one does. It is not for production: Python stands between a request and
the graph, nothing is batched across requests, and it can be reached from this machine alone.
"""

import ipaddress
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serving.asking import Arrays, Asking
from serving.held import Held
from serving.http_server import HttpServer
from serving.loader.errors import ServingError
from serving.loader.model import Model
from serving.metrics import Metrics
from serving.rest_api import RestApi
from serving.versions import Pace, State, Versions

GRPC_PORT, REST_PORT = 8500, 8501  # the real server's
GRACE_S = 10.0


@dataclass(frozen=True)
class Settings:
    """How a stand-in is reached, and its limits.

    Attributes:
      host: to bind to; a loopback address.
      port: of gRPC; 0 is any that is free.
      rest_port: of REST; 0 is any that is free.
      most_bytes: of a request.
      threads: gRPC requests that are worked on at the same time.
      rest_timeout_s: of a REST request; gRPC has the client's deadline.
      pace: how often versions are looked for.
    """

    host: str = "127.0.0.1"
    port: int = GRPC_PORT
    rest_port: int = REST_PORT
    most_bytes: int = 64 * 2**20
    threads: int = 16
    rest_timeout_s: float = 30.0
    pace: Pace = field(default_factory=Pace)


class PortTaken(Exception):
    """A port cannot be bound."""


class LocalServer:
    """The stand-in, for one model.

    Args:
      name: of the model.
      base: its base path; it may come later.
      settings: ports and limits.
      labels: label to version.
      on_state: told of each change of a version.
      on_request: told of each request that was answered, see `Asking`.

    Attributes:
      port: of gRPC.
      rest_port: of REST.
      metrics: what the monitoring page shows.

    Raises:
      ValueError: the host is not this machine's own.
      PortTaken: a port cannot be had.
    """

    def __init__(
        self,
        name: str,
        base: str | Path,
        settings: Settings | None = None,
        *,
        labels: Mapping[str, int] | None = None,
        on_state: Callable[[int, State], None] | None = None,
        on_request: Callable[[str, Arrays], None] | None = None,
    ) -> None:
        from serving.grpc_api import make_server

        settings = settings or Settings()
        _check_loopback(settings.host)
        self.metrics = Metrics()
        self._versions = Versions(name, Path(base), self._load, labels, settings.pace, on_state)
        asking = Asking(self._versions, self.metrics, on_request)
        self._grpc = make_server(asking, settings.threads, settings.most_bytes)
        address = f"[{settings.host}]" if ":" in settings.host else settings.host
        try:
            self.port = self._grpc.add_insecure_port(f"{address}:{settings.port}")
        except RuntimeError as error:
            raise PortTaken(f"port {settings.port} cannot be bound") from error
        application = RestApi(asking, settings.rest_timeout_s)
        try:
            self._http = HttpServer(application, settings.host, settings.rest_port, settings.most_bytes)
        except OSError as error:
            self._grpc.stop(None)
            raise PortTaken(f"port {settings.rest_port} cannot be bound: {error.strerror}") from error
        self.rest_port = self._http.port

    def start(self) -> None:
        """Begins to look for versions and to answer."""
        self._versions.start()
        self._grpc.start()
        self._http.start()

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Answers what has come, takes nothing new and lets the model go.

        Args:
          grace_s: seconds after which it ends in any case.
        """
        ended = self._grpc.stop(grace_s)
        http = threading.Thread(target=self._http.stop, args=(grace_s,))
        http.start()
        ended.wait(grace_s + 1)
        http.join(grace_s + 6)
        self._versions.stop(grace_s)

    def states(self) -> dict[int, State]:
        """The state of every version seen, newest first."""
        return self._versions.states()

    def __enter__(self) -> "LocalServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _load(self, version: int, folder: Path) -> Held:
        from serving.warm_up import warm_up

        try:
            model = Model(folder)
            try:
                warm_up(model, folder)
            except BaseException:
                model.close()
                raise
        except ServingError:
            self.metrics.loaded(folder, "fail")
            raise
        self.metrics.loaded(folder, "success")
        return Held(version, model)


def _check_loopback(host: str) -> None:
    try:
        inside = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise ValueError(
            f"the stand-in binds to this machine's loopback address alone, not to {host}; "
            "put TensorFlow Serving itself where others can reach it"
        )
