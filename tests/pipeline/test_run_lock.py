"""One run at a time, between real processes."""

import contextlib
import errno
import fcntl
import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import cli, record, run_lock
from pipeline.errors import ConfigError

AT_WORK = (
    "import sys\n"
    "from pathlib import Path\n"
    "from pipeline import run_lock\n"
    "with run_lock.new_run(Path(sys.argv[1])) as folder:\n"
    "    print(folder.name, flush=True)\n"
    "    sys.stdin.read()\n"
)


@contextlib.contextmanager
def a_run_at_work(home: Path):
    """The process of another run, and its folder."""
    command = [sys.executable, "-c", AT_WORK, str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, home / process.stdout.readline().strip()


@pytest.fixture
def config(tmp_path):
    (tmp_path / "rows.csv").write_text("i,k,a\n1,x,b\n")
    path = tmp_path / "sluice.yaml"
    path.write_text("name: fraud\ntask: multiclass\ndata: {source: rows.csv, sequence_id: i, label: k}\n")
    return path


def sluice(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
        sys.exit(0)
    return int(left.value.code or 0)


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_second_run_is_refused_and_leaves_nothing_behind(capsys, config, command):
    home = config.parent / "runs" / "fraud"
    with a_run_at_work(home) as (process, folder):
        written = (folder / record.RUN).read_bytes()
        assert sluice(command, str(config)) == 2
        out, err = capsys.readouterr()
        run = json.loads(written)
        assert out == ""
        assert f"{home}: another run is at work there" in err
        assert (
            f"run {folder.name}, since {run['started']}, process {process.pid} on {platform.node()}; wait "
            "until it has ended, or give this one another place: --set run.root=…"
        ) in err
        assert record.runs(home) == [folder]
        assert (home / record.LATEST).resolve() == folder
        assert (folder / record.RUN).read_bytes() == written
        process.communicate("")
    assert process.returncode == 0


def test_a_killed_run_leaves_no_lock(tmp_path):
    home = tmp_path / "fraud"
    with a_run_at_work(home) as (process, folder):
        assert run_lock.is_held(home)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not run_lock.is_held(home)
    with run_lock.new_run(home) as next_one:
        assert next_one != folder


def test_a_run_at_work_is_told_from_one_that_was_killed(capsys, tmp_path):
    home = tmp_path / "fraud"
    with a_run_at_work(home) as (process, folder):
        assert sluice("runs", "--root", str(tmp_path)) == 0
        assert capsys.readouterr().out.split()[:3] == [folder.name, "fraud", "running"]
        assert sluice("why", str(folder)) == 0
        told = capsys.readouterr().out
        assert (
            f"at work since {record.read(folder, record.RUN)['started']}, process {process.pid} on " in told
        )
        process.kill()
    sluice("runs", "--root", str(tmp_path))
    assert capsys.readouterr().out.split()[:3] == [folder.name, "fraud", "killed"]
    sluice("why", str(folder), "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["exit_code"], found["reasons"]) == ("killed", None, [])


def test_looking_whether_a_run_is_at_work_keeps_no_run_out(tmp_path):
    home = tmp_path / "fraud"
    with run_lock.new_run(home):
        pass
    looks = (
        "import fcntl, sys, time\n"
        "file = open(sys.argv[1], 'rb')\n"
        "fcntl.lockf(file, fcntl.LOCK_SH)\n"
        "print(flush=True)\n"
        "time.sleep(0.2)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", looks, str(home / "lock")], stdout=subprocess.PIPE
    ) as looking:
        assert looking.stdout is not None
        looking.stdout.readline()
        with run_lock.new_run(home) as folder:
            assert record.runs(home)[0] == folder


def test_a_file_system_without_locks_is_a_clear_error(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with (
        pytest.raises(ConfigError, match=r"run\.root: cannot lock(.|\n)*on a file system that has locks"),
        run_lock.new_run(tmp_path / "fraud"),
    ):
        pass


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match=r"run\.root: cannot (lock|write)"),
        run_lock.new_run(tmp_path / "file" / "fraud"),
    ):
        pass
