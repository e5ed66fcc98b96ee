"""`sluice serve` as a process: what it says, how it ends."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from pipeline import cli, cli_serving
from serving import docker_server
from serving.request_log import RequestLog
from tests.serving.conftest import put, save_model

CONFIG = """
name: m
task: binary
data: {source: m.csv, label: y}
split: {by: order}
push: {to: pushed}
"""


@pytest.fixture
def config(write) -> Path:
    return write("m.yaml", CONFIG)


class Serving:
    """The command, and the lines that it has printed."""

    def __init__(self, config: Path, *options: str) -> None:
        self.log = config.with_name("log")
        command = [sys.executable, "-W", "ignore", "-m", "pipeline", "serve", str(config), "--no-docker"]
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                [*command, "--port", "0", "--rest-port", "0", *options], stdout=file, stderr=file,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip

    def wait(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.log.read_text())):
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)
        return found

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


def test_a_pushed_model_is_served_until_ctrl_c(config, tmp_path):
    model = save_model(tmp_path / "model")
    base = tmp_path / "pushed" / "m"
    one = Serving(config)
    try:
        url = one.wait(r"REST  (http://127\.0\.0\.1:\d+/v1/models/m)\n")[1]
        assert "starting the stand-in for tensorflow_model_server, which is not for production" in (
            one.log.read_text()
        )
        one.wait("nothing was pushed there yet")
        put(model, base, 5)
        one.wait("version 5: available")
        one.wait(rf"try   curl {url}/metadata")
        with urllib.request.urlopen(f"{url}:predict", b'{"instances": [[2.0]]}', timeout=30) as answer:  # noqa: S310
            assert json.load(answer) == {"predictions": [[4.0]]}
        shutil.copytree(model, base / ".6")
        (base / ".6" / "saved_model.pb").write_bytes(b"no model")
        (base / ".6").rename(base / "6")
        one.wait("version 6: loading: ")
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310
            assert {state["version"] for state in json.load(answer)["model_version_status"]} == {"5", "6"}
    finally:
        code = one.end(signal.SIGINT)
    assert code == 130
    assert one.log.read_text().endswith("stopping\nversion 5: unloading\nversion 5: end\n")


def test_sigterm_is_no_failure(config):
    one = Serving(config)
    one.wait("REST")
    assert one.end(signal.SIGTERM) == 0


def test_a_taken_port_is_one_message(config, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(SystemExit) as left:
            cli.main(["serve", str(config), "--no-docker", "--port", "0", "--rest-port", port])
    assert left.value.code == 2
    _, err = capsys.readouterr()
    assert f"port {port} cannot be bound" in err
    assert "choose others with --port and --rest-port" in err


def test_requests_are_kept_under_the_names_of_the_newest_version(tmp_path):
    with RequestLog(tmp_path / "log", 1.0) as log:
        keep = cli_serving._keeping(log, tmp_path / "m")
        for version, feature in ((9, "old"), (10, "new")):
            folder = tmp_path / "m" / str(version) / "assets.extra"
            folder.mkdir(parents=True)
            (folder / "raw_schema.pbtxt").write_text(f'feature {{ name: "{feature}" }}')
            keep("sequences", {"lengths": np.array([1]), feature: np.ones((1, 1), np.float32)})
    assert (log.written, log.left_out) == (2, 0)


@pytest.mark.parametrize("label", ["canary", "=3", "canary=x", "canary=-1"])
def test_a_label_names_a_version(config, capsys, label):
    with pytest.raises(SystemExit) as left:
        cli.main(["serve", str(config), "--label", label])
    assert left.value.code == 2
    assert f"--label {label}: expected LABEL=VERSION" in capsys.readouterr().err


def test_models_in_a_bucket_are_not_served_from_here(config, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["serve", str(config), "--set", "push.to=gs://bucket/models"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "expected a folder of this machine to serve from, got gs://bucket/models" in said
    assert "--model_base_path=gs://bucket/models/m" in said


def test_docker_without_an_engine_is_one_message(config, capsys, monkeypatch):
    monkeypatch.setattr(docker_server, "engine_answers", lambda: False)
    with pytest.raises(SystemExit) as left:
        cli.main(["serve", str(config), "--docker"])
    assert left.value.code == 2
    assert "no Docker engine answers" in capsys.readouterr().err


FAKE = r"""#!{python}
import http.server, json, sys, time
arguments = sys.argv[1:]
open({calls!r}, "a").write(json.dumps(arguments) + "\n")
if arguments[0] == "version":
    print("28.0")
elif arguments[0] == "run":
    port = [one for one in arguments if one.endswith(":8501")][0].split(":")[1]
    status = {{"error_code": "OK", "error_message": ""}}
    page = {{"model_version_status": [{{"version": "5", "state": "AVAILABLE", "status": status}}]}}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(page).encode())

    server = http.server.HTTPServer(("127.0.0.1", int(port)), Handler)
    while {stop!r} and not __import__("os").path.exists({stop!r}):
        server.timeout = 0.1
        server.handle_request()
else:
    open({stop!r}, "w")
"""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now: Docker has to be told some."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def test_docker_serves_where_its_engine_answers(config, tmp_path, monkeypatch):
    """A stand-in for the docker program: what it is told is checked, not what the real one does with it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "pushed" / "m" / "5").mkdir(parents=True)
    program, calls = tmp_path / "bin" / "docker", tmp_path / "calls"
    program.write_text(FAKE.format(python=sys.executable, calls=str(calls), stop=str(tmp_path / "stop")))
    program.chmod(0o755)
    log, (port, rest_port) = tmp_path / "log", free_ports(2)
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "pipeline", "serve", str(config), "--port", str(port),
             "--rest-port", str(rest_port)],
            stdout=file, stderr=file,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
        )  # fmt: skip
    try:
        end = time.monotonic() + 30
        while "version 5: available" not in log.read_text():
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()
    assert f"starting TensorFlow Serving in Docker: {docker_server.IMAGE}" in log.read_text()
    told = [json.loads(line) for line in calls.read_text().splitlines()]
    assert [one[0] for one in told] == ["version", "run", "stop"]
    assert docker_server.IMAGE in told[1]


def test_docker_needs_a_pushed_model(config, capsys, monkeypatch):
    monkeypatch.setattr(docker_server, "engine_answers", lambda: True)
    with pytest.raises(SystemExit) as left:
        cli.main(["serve", str(config)])
    assert left.value.code == 2
    assert "no model was pushed to" in capsys.readouterr().err
