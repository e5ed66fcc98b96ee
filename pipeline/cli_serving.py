"""`sluice serve`: a pushed model on ports of this machine. Nothing here imports TensorFlow before it must."""

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from pipeline.cli_options import CONFIG, SET
from pipeline.errors import INTERRUPTED, ConfigError, SluiceError
from pipeline.locations import is_remote

if TYPE_CHECKING:
    from serving.request_log import RequestLog, Tensors
    from serving.versions import State

_LOOK_S, _ANSWER_S, GRACE_S = 1.0, 5.0, 10.0


@click.command()
@CONFIG
@SET
@click.option(
    "--port", default=8500, show_default=True, type=click.IntRange(0, 65535), help="gRPC; 0 is any free one."
)
@click.option(
    "--rest-port",
    default=8501,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="REST; 0 is any free one.",
)
@click.option(
    "--label", "labels", multiple=True, metavar="LABEL=VERSION", help="Serve a version under a label, too."
)
@click.option(
    "--docker/--no-docker",
    default=None,
    help="TensorFlow Serving in Docker, or the stand-in; without either, Docker where its engine answers.",
)
@click.option(
    "--log-requests",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Keep a sample of the requests there, for `sluice drift`; the stand-in alone does.",
)
@click.option(
    "--log-rate", default=0.01, show_default=True, type=click.FloatRange(0, 1), help="Share that is kept."
)  # fmt: skip
def serve(
    config: str,
    overrides: tuple[str, ...],
    port: int,
    rest_port: int,
    labels: tuple[str, ...],
    docker: bool | None,
    log_requests: Path | None,
    log_rate: float,
) -> None:
    """Serves the pushed model on this machine, to try it.

    TensorFlow Serving itself where Docker can run it, else a stand-in for tensorflow_model_server with
    the same interfaces and the same C++ loader. The stand-in is not for production. Both can be reached
    from this machine alone, and both follow the versions: what is pushed is served a second later.
    Ctrl-C ends it.
    """
    from pipeline.config_file import load
    from serving.docker_server import engine_answers

    loaded = load(config, overrides, local_files=False)
    if is_remote(loaded.push.to):
        raise ConfigError(
            f"push.to: expected a folder of this machine to serve from, got {loaded.push.to}",
            [f"start TensorFlow Serving with --model_base_path={loaded.push_base}"],
        )
    base, chosen = Path(loaded.push.to, loaded.name), _labels(labels)
    answers = docker is not False and engine_answers()
    if docker and not answers:
        raise ConfigError("no Docker engine answers", ["start it, or serve with --no-docker"])
    if answers and log_requests:
        raise ConfigError(
            "TensorFlow Serving does not keep requests as `sluice drift` reads them",
            ["let the client do it (docs/client.md), or serve with --no-docker"],
        )
    if answers:
        _serve_with_docker(loaded.name, base, port, rest_port, chosen)
    else:
        _serve_stand_in(
            loaded.name,
            base,
            port,
            rest_port,
            chosen,
            _request_log(log_requests, log_rate),
            why="" if docker is False else "no Docker engine answers: ",
        )


def _labels(given: tuple[str, ...]) -> dict[str, int]:
    from serving.version_folders import version_number

    found = {}
    for one in given:
        label, _, number = one.partition("=")
        version = version_number(number)
        if not label or version is None:
            raise click.UsageError(f"--label {one}: expected LABEL=VERSION, such as canary=1795367486")
        found[label] = version
    return found


class _Stop:
    """While entered, SIGINT and SIGTERM end the serving; a second one ends the process at once."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._number = 0

    def __enter__(self) -> "_Stop":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def wait(self, seconds: float) -> bool:
        """Whether it is time to stop."""
        return self._event.wait(seconds)

    def leave(self) -> None:
        """Ends the process: a stop that was asked for by SIGTERM is no failure."""
        sys.exit(INTERRUPTED if self._number == signal.SIGINT else 0)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._number:
            os._exit(INTERRUPTED)
        self._number = number
        self._event.set()


def _request_log(folder: Path | None, rate: float) -> "RequestLog | None":
    from serving.request_log import RequestLog

    return RequestLog(folder, rate) if folder else None


def _keeping(log: "RequestLog", base: Path) -> "Callable[[str, Tensors], None]":
    """Logs requests under the features' own names, as the newest version tells them."""
    from serving.request_log import hook
    from serving.version_folders import version_folders

    hooks: dict[Path, Callable[[str, Tensors], None]] = {}

    def on_request(signature: str, inputs: "Tensors") -> None:
        try:
            newest = max((version_folders(base) or {}).items())[1]
            keep = hooks.get(newest) or hook(log, newest / "assets.extra" / "raw_schema.pbtxt")
        except (OSError, ValueError) as error:  # the folder is being removed, or is no export of ours
            log.refuse(1, error)
            return
        hooks.setdefault(newest, keep)(signature, inputs)

    return on_request


def _serve_stand_in(
    name: str,
    base: Path,
    port: int,
    rest_port: int,
    labels: dict[str, int],
    log: "RequestLog | None",
    why: str,
) -> None:
    with _Stop() as stop, log or contextlib.nullcontext():
        click.echo(f"{why}starting the stand-in for tensorflow_model_server, which is not for production")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        warnings.simplefilter("ignore")
        from serving.local_server import LocalServer, PortTaken, Settings

        said = _Said(name, base)
        try:
            server = LocalServer(
                name,
                base,
                Settings(port=port, rest_port=rest_port),
                labels=labels,
                on_state=said.on_state,
                on_request=_keeping(log, base) if log else None,
            )
        except PortTaken as error:
            raise ConfigError(str(error), ["choose others with --port and --rest-port"]) from error
        said.where(server.port, server.rest_port)
        server.start()
        while not stop.wait(_LOOK_S):
            pass
        click.echo("stopping")
        server.stop(GRACE_S)
        stop.leave()


def _serve_with_docker(name: str, base: Path, port: int, rest_port: int, labels: dict[str, int]) -> None:
    from serving import docker_server

    if not (port and rest_port):
        raise ConfigError("Docker needs ports to publish", ["give --port and --rest-port, or --no-docker"])
    if not base.is_dir():
        raise ConfigError(f"no model was pushed to {base}", ["run `sluice run` first"])
    with _Stop() as stop, _temporary() as folder:
        click.echo(f"starting TensorFlow Serving in Docker: {docker_server.IMAGE}")
        said = _Said(name, base)
        arguments = docker_server.command(name, base, folder, port, rest_port, labels)
        process = docker_server.start(arguments, folder / "log")
        said.where(port, rest_port)
        while not stop.wait(_LOOK_S) and process.poll() is None:
            said.look()
        if process.poll() is not None:
            raise SluiceError(
                "TensorFlow Serving ended", (folder / "log").read_text(errors="replace").splitlines()[-5:]
            )
        click.echo("stopping")
        docker_server.stop(name, port, process, GRACE_S)
        stop.leave()


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sluice-serve-") as folder:
        yield Path(folder)


class _Said:
    """Prints where the model is, how to ask it, and its versions as they switch."""

    def __init__(self, name: str, base: Path) -> None:
        self._name, self._base = name, base
        self._url = ""
        self._states: dict[int, tuple[str, str]] = {}
        self._shown_how = False

    def where(self, port: int, rest_port: int) -> None:
        """The addresses."""
        self._url = f"http://127.0.0.1:{rest_port}/v1/models/{self._name}"
        click.echo(f"model {self._name} from {self._base}")
        click.echo(f"gRPC  127.0.0.1:{port}")
        click.echo(f"REST  {self._url}")
        if not self._base.is_dir():
            click.echo("nothing was pushed there yet: it is served when it comes")

    def on_state(self, version: int, state: "State") -> None:
        """A version of the stand-in changed."""
        self._changed(version, state.name, state.message)

    def look(self) -> None:
        """Asks a server for its versions, which may not be there yet."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(self._url, timeout=_ANSWER_S) as answer:
                found = json.load(answer)["model_version_status"]
        except (OSError, ValueError):
            return
        for one in found:
            self._changed(int(one["version"]), one["state"], one["status"]["error_message"])

    def _changed(self, version: int, state: str, message: str) -> None:
        if self._states.get(version) == (state, message):
            return
        self._states[version] = (state, message)
        if state == "START":
            return
        click.echo(f"version {version}: {state.lower()}{f': {message}' if message else ''}")
        if state == "AVAILABLE" and not self._shown_how:
            from serving.trial import curl_line

            self._shown_how = True
            click.echo(f"try   {curl_line(self._base / str(version), self._url)}")
