"""The worker pool that task managers of one machine share."""

import subprocess
import sys
from pathlib import Path

import pytest
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

from pipeline.runners.processes import Process, answers, free_ports, wait_for
from pipeline.runners.worker_pool import SharedWorkerPool

# 127.0.0.1, ::1 and ::ffff:127.0.0.1 as the kernel writes them.
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


class Worker:
    """Stands for a worker's process."""

    ended = False

    def terminate(self) -> None:
        self.ended = True

    def wait(self, timeout: float) -> None:
        del timeout


def started(pool: BeamFnExternalWorkerPoolServicer, monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """The workers of two task managers, each of which calls its first one 1-1."""
    workers: list[Worker] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: workers.append(Worker()) or workers[-1])
    for _ in range(2):
        assert not pool.StartWorker(beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1"), None).error
    return workers


def test_who_stops_a_worker_does_not_end_the_one_of_another(monkeypatch):
    pool = SharedWorkerPool(use_process=True)
    workers = started(pool, monkeypatch)
    assert pool.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1"), None).error == ""
    assert not any(worker.ended for worker in workers)


def test_beams_own_pool_would_end_it(monkeypatch):
    """The reason for ours; it may go when this no longer holds."""
    pool = BeamFnExternalWorkerPoolServicer(use_process=True)
    first, second = started(pool, monkeypatch)
    pool.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1"), None)  # meant is the first
    assert (first.ended, second.ended) == (False, True)


def test_the_pool_listens_on_this_machine_alone(tmp_path):
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "pipeline.runners.worker_pool", str(port)]
    with Process(command, tmp_path / "log") as process:
        wait_for("the pool", lambda: answers(port), [process], 60)
        lines = [
            line.split()
            for table in ("/proc/net/tcp", "/proc/net/tcp6")
            for line in Path(table).read_text().splitlines()[1:]
        ]
        listening = "0A"
        addresses = {line[1].rpartition(":") for line in lines if line[3] == listening}
    found = {address for address, _, number in addresses if int(number, 16) == port}
    assert found
    assert found <= LOOPBACK
