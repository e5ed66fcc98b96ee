"""The newer stack on an older Linux: made once, entered with a copy of the checkout, by stand-in programs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
USED = ["sh", "env", "sed", "cat", "head", "dirname", "mkdir", "mv", "rm", "flock", "pwd"]
# What each of the others is on a Debian 12 where root calls, and mmdebstrap and bwrap are installed.
SYSTEM = {
    "uname": "echo Linux",
    "getconf": "echo glibc 2.36",
    "id": "echo 0",
    "apt-get": "echo http://mirror.example/debian/; echo http://second.example/debian/",
    "mmdebstrap": 'echo "mmdebstrap $*" >>"${0%/*}/../calls"',
    "rsync": "exit 0",
    "bwrap": 'echo "bwrap $*" >>"${0%/*}/../calls"; env >"${0%/*}/../environment"',
}


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Calls the script of a small checkout, with programs replaced, or taken away by None."""
    programs, checkout = tmp_path / "bin", tmp_path / "checkout"
    programs.mkdir()
    (checkout / "requirements").mkdir(parents=True)
    shutil.copy(ROOT / "requirements" / "modern.sh", checkout / "requirements")

    def run(*arguments, environment=None, **others):
        for name, text in {**SYSTEM, **others}.items():
            (programs / name).unlink(missing_ok=True)
            if text is not None:
                (programs / name).write_text(f"#!/bin/sh\n{text}\n")
                (programs / name).chmod(0o755)
        for name in USED:
            link = programs / name
            if not link.exists():
                link.symlink_to(shutil.which(name))
        variables = {"PATH": str(programs), "HOME": str(tmp_path)}
        command = [str(checkout / "requirements" / "modern.sh"), *arguments]
        return subprocess.run(
            command, env=variables | (environment or {}), capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def calls(tmp_path):
    """The calls of mmdebstrap and bwrap so far, without bwrap's trial."""

    def read():
        lines = (tmp_path / "calls").read_text().splitlines()
        return [line for line in lines if not line.endswith(" true")]

    return read


@pytest.mark.parametrize(
    "system", [{"getconf": "echo glibc 2.39"}, {"uname": "echo Darwin"}, {"getconf": "exit 1"}]
)
def test_a_machine_with_the_newer_stack_runs_the_command_in_the_checkout(call, tmp_path, system):
    without = {"mmdebstrap": None, "bwrap": None, "id": "echo 1000"}
    done = call("pwd", **system, **without)
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "checkout")), done.stderr
    assert call("--check", **system, **without).returncode == 0
    assert not (tmp_path / "checkout" / ".modern").exists()


@pytest.mark.parametrize(
    ("system", "told"),
    [
        ({"id": "echo 1000"}, "which only root can make; call it as root (sudo make test-modern)."),
        (
            {"mmdebstrap": None},
            "but mmdebstrap is missing; install it (apt-get install mmdebstrap bubblewrap rsync",
        ),
        ({"bwrap": None}, "but bwrap is missing; install it (apt-get install mmdebstrap bubblewrap rsync"),
        ({"rsync": None}, "but rsync is missing; install it (apt-get install mmdebstrap bubblewrap rsync"),
        ({"bwrap": "exit 1"}, "but bwrap must not mount here; give the container that right"),
    ],
)
@pytest.mark.parametrize("argument", ["--check", "true"])
def test_what_is_missing_is_one_sentence_with_its_remedy(call, tmp_path, system, told, argument):
    done = call(argument, **system)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "newer stack: TFX 1.21 needs glibc 2.39 and this is 2.36, so it runs in a Debian 13"
    )
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "checkout" / ".modern").exists()


def test_a_call_without_a_command_says_what_to_give(call):
    done = call()
    assert (done.returncode, done.stderr) == (
        1,
        "newer stack: give the command to run (make check demo), or --check.\n",
    )


def test_the_debian_comes_from_the_machines_own_mirror_and_is_made_once(call, calls):
    assert call("--check").returncode == 0
    assert calls() == []
    for _ in range(2):
        done = call("make", "check")
        assert done.returncode == 0, done.stderr
    made, first, second = calls()
    assert made.startswith("mmdebstrap --quiet --variant=minbase --include=ca-certificates,g++,")
    assert made.endswith(" trixie .modern/debian.part http://mirror.example/debian/")
    assert first == second
    assert "--bind .modern/debian / " in first
    assert "--chdir /src/sluice " in first
    assert first.endswith(" make check")


def test_a_debian_of_other_packages_or_a_half_made_one_is_made_anew(call, calls, tmp_path):
    assert call("make", environment={"MODERN_ROOT": str(tmp_path / "kept")}).returncode == 0
    (tmp_path / "kept" / "debian" / "made-of").write_text("make\n")
    (tmp_path / "kept" / "debian.part" / "half").mkdir(parents=True)
    assert call("make", environment={"MODERN_ROOT": str(tmp_path / "kept")}).returncode == 0
    assert [line.split()[0] for line in calls()] == ["mmdebstrap", "bwrap"] * 2
    assert not (tmp_path / "kept" / "debian.part").exists()
    assert not (tmp_path / "checkout" / ".modern").exists()


def test_a_debian_that_cannot_be_made_ends_the_call(call, calls, tmp_path):
    done = call("make", mmdebstrap="echo E: no network >&2; exit 1")
    assert done.returncode == 1
    assert "E: no network" in done.stderr
    assert done.stderr.endswith("see mmdebstrap's message above, and whether apt-get update gets through.\n")
    assert calls() == []
    assert not (tmp_path / "checkout" / ".modern" / "debian").exists()


def test_of_the_environment_only_the_package_index_and_the_terminal_are_handed_over(call, tmp_path):
    handed = {
        "PIP_INDEX_URL": "https://index.example/simple",
        "UV_DEFAULT_INDEX": "https://index.example/uv",
        "UV_INDEX_OURS_PASSWORD": "letmein",
        "https_proxy": "http://proxy.example:3128",
        "SSL_CERT_FILE": str(tmp_path / "ours.pem"),
        "TERM": "xterm",
    }
    kept_back = {
        "CI": "true",
        "PYTHONPATH": "/elsewhere",
        "UV_PYTHON": "3.10",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    (tmp_path / "ours.pem").touch()
    assert call("make", environment=handed | kept_back | {"TEXT": "two\nPIP_CERT=lines"}).returncode == 0
    found = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
    assert handed.items() <= found.items()
    assert not kept_back.keys() & found.keys()
    assert f"--ro-bind {tmp_path}/ours.pem {tmp_path}/ours.pem " in (tmp_path / "calls").read_text()


def test_the_copy_holds_what_git_does_not_ignore_and_keeps_what_is_the_same(call, tmp_path):
    rsync = shutil.which("rsync")
    if rsync is None:
        pytest.skip("rsync is not installed")
    checkout, inside = tmp_path / "checkout", tmp_path / "checkout" / ".modern" / "debian" / "src" / "sluice"
    (checkout / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    for name in (
        "kept.txt",
        "changed.txt",
        "gone/old.txt",
        ".git/HEAD",
        "data/large.csv",
        ".venv/bin/python",
        "runs/1",
    ):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("before")
    copy = f'exec {rsync} "$@"'
    assert call("make", rsync=copy).returncode == 0
    # Of what is left inside, the set-up is kept and the run is not, so that the next demo is a whole one.
    for name in (
        ".venv/installed",
        "gone/__pycache__/old.pyc",
        "runs/demo/run.json",
        "serving_models/demo/1",
    ):
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / name).touch()
    long_ago = 1_700_000_000
    for name in ("kept.txt", "changed.txt"):
        os.utime(inside / name, (long_ago, long_ago))
    (checkout / "changed.txt").write_text("after!")
    shutil.rmtree(checkout / "gone")
    done = call("make", rsync=copy)
    assert (done.returncode, done.stderr) == (0, "")
    files = {str(path.relative_to(inside)) for path in inside.rglob("*") if path.is_file()}
    assert files == {"kept.txt", "changed.txt", ".gitignore", "requirements/modern.sh", ".venv/installed"}
    assert (inside / "changed.txt").read_text() == "after!"
    assert (inside / "kept.txt").stat().st_mtime == long_ago
    assert (inside / "changed.txt").stat().st_mtime > long_ago
    assert sorted(path.name for path in (checkout / "runs").iterdir()) == ["1"]
