"""Processes beside this one leave nothing behind, and say why they ended."""

import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import SluiceError
from pipeline.runners.processes import Process, answers, free_ports, wait_for

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="this system has no /proc to look at processes in"
)

# A program that starts another; both write down their numbers.
FAMILY = "sleep 60 & echo $! $$ > {file}; wait"


def members(file, limit_s=10.0) -> list[int]:
    deadline = time.monotonic() + limit_s
    while not (file.exists() and file.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [int(number) for number in file.read_text().split()]


def gone(number: int, limit_s: float = 10.0) -> bool:
    """Whether a process is gone, or dead and only waited for by whoever adopted it."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_what_a_program_started_ends_with_it(tmp_path):
    with Process(["sh", "-c", FAMILY.format(file=tmp_path / "family")], tmp_path / "log") as process:
        family = members(tmp_path / "family")
        assert process.runs
    assert [gone(number) for number in family] == [True, True]
    assert not process.runs


def test_what_a_program_left_ends_although_the_program_has_ended_before(tmp_path):
    leaves = f"sleep 60 & echo $! > {tmp_path / 'family'}"
    with Process(["sh", "-c", leaves], tmp_path / "log") as process:
        (left,) = members(tmp_path / "family")
        while process.runs:
            time.sleep(0.01)
        assert not gone(left, 0.1)
    assert gone(left)


def test_a_program_that_will_not_end_is_killed(tmp_path):
    stubborn = f"trap '' TERM; echo $$ > {tmp_path / 'family'}; while :; do sleep 0.1; done"
    process = Process(["sh", "-c", stubborn], tmp_path / "log")
    (number,) = members(tmp_path / "family")
    process.end(grace_s=0.3)
    assert gone(number)
    process.end()  # once more does no harm


def test_processes_end_where_the_body_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), Process(["sleep", "60"], tmp_path / "log") as process:
        raise ZeroDivisionError
    assert not process.runs


def test_a_program_that_ends_early_is_an_error_with_its_last_words(tmp_path):
    command = ["sh", "-c", "echo first; echo no such disk >&2; exit 3"]
    with (
        Process(command, tmp_path / "log") as process,
        pytest.raises(
            SluiceError, match=r"the disk did not start: a process ended\n  - first\n  - no such disk"
        ),
    ):
        wait_for("the disk", lambda: False, [process], 30)


def test_what_takes_too_long_is_an_error(tmp_path):
    with (
        Process(["sleep", "60"], tmp_path / "log") as process,
        pytest.raises(SluiceError, match=r"the disk did not start: nothing within 0\.2 s"),
    ):
        wait_for("the disk", lambda: False, [process], 0.2)


def test_the_environment_of_a_program_is_ours_and_what_is_changed(tmp_path, monkeypatch):
    monkeypatch.setenv("KEPT", "kept")
    with Process(["sh", "-c", "echo $KEPT $NEW"], tmp_path / "log", {"NEW": "new"}) as process:
        while process.runs:
            time.sleep(0.01)
    assert process.last_words() == ["kept new"]


def test_free_ports_are_free_and_differ(tmp_path):
    ports = free_ports(3)
    assert len(set(ports)) == 3
    assert not any(answers(port) for port in ports)
    serve = [sys.executable, "-m", "http.server", "--bind", "localhost", str(ports[0])]
    with Process(serve, tmp_path / "log") as process:
        wait_for("a server", lambda: answers(ports[0]), [process], 30)
    assert not answers(ports[0])
