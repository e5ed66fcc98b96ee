"""The client against the stand-in: the same answers both ways, versions and labels, the log."""

import shutil
import time

import numpy as np
import pytest

from serving.call_errors import BadRequest, NotFound
from serving.client import Client
from serving.local_server import LocalServer, Settings
from serving.request_log import RequestLog, hook
from tests.components.conftest import raw_example
from tests.serving.test_client import ROWS, arrays, asked_directly, same


@pytest.fixture
def stand_in(multiclass, tmp_path):
    """Version 1 of the model, with a label and a log; gives the server, its base path and the log."""
    base = tmp_path / "models"
    shutil.copytree(multiclass.folder, base / "1")
    log = RequestLog(tmp_path / "log", 1.0)
    settings = Settings(port=0, rest_port=0)
    on_request = hook(log, base / "1" / "assets.extra" / "raw_schema.pbtxt")
    server = LocalServer("numbers", base, settings, labels={"stable": 1}, on_request=on_request)
    with server, log:
        yield server, base, log


def clients(server, **options):
    addresses = (f"127.0.0.1:{server.port}", f"http://127.0.0.1:{server.rest_port}")
    return [Client(address, "numbers", **options) for address in addresses]


def test_both_ways_give_the_models_own_answers(stand_in, multiclass):
    server, _, log = stand_in
    found = []
    for client in clients(server, max_batch=2):
        with client:
            assert client.wait_until_ready(30).version == 1
            found.append(client.predict(arrays()))
            same(found[-1], asked_directly(multiclass))
            same(client.predict_examples(list(map(raw_example, ROWS))), asked_directly(multiclass))
    for name in found[0].outputs:
        np.testing.assert_array_equal(found[0].outputs[name], found[1].outputs[name])
    assert log.flush()
    assert (log.written, log.left_out) == (4 * len(ROWS), 0)


def test_versions_and_labels(stand_in, multiclass):
    server, _, _ = stand_in
    for options in ({"version": 1}, {"label": "stable"}):
        for client in clients(server, **options):
            with client:
                client.wait_until_ready(30)
                same(client.predict(arrays()), asked_directly(multiclass))
    for options in ({"version": 9}, {"label": "none"}):
        for client in clients(server, **options):
            with client, pytest.raises((NotFound, BadRequest)):
                client.predict(arrays())


def test_a_new_version_is_seen(stand_in):
    server, base, _ = stand_in
    grpc, rest = clients(server)
    with grpc, rest:
        assert grpc.wait_until_ready(30).version == 1
        shutil.copytree(base / "1", base / ".part")
        (base / ".part").rename(base / "2")
        end = time.monotonic() + 30
        while max(one.version for one in rest.versions() if one.state == "AVAILABLE") < 2:
            assert time.monotonic() < end
            grpc.predict(arrays())
        assert grpc.versions() == rest.versions()
