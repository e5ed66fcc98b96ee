"""The facts of a machine: its memory and its limits, and folders that cannot be written for real."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.doctor import machine

MIB = 2**20
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, or become another user")


def a_machine(root: Path, *, groups: str = "") -> None:
    """A machine with 8 GiB, of which 3 are available, and 1 GiB of swap."""
    files = {
        "proc/meminfo": "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 3145728 kB\n"
        "SwapTotal: 1048576 kB\nSwapFree: 524288 kB\nHugePages_Total: 0\n",
        "proc/self/cgroup": groups,
    }
    for name, text in files.items():
        put(root, name, text)


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_memory_is_that_of_the_machine_with_its_swap(tmp_path):
    a_machine(tmp_path)
    assert machine.memory(tmp_path) == machine.Memory(9 * 1024 * MIB, 3584 * MIB, "the machine")


@pytest.mark.parametrize("path", ["/", "/pod7/worker"])
def test_a_containers_limit_counts_and_cached_files_do_not(tmp_path, path):
    a_machine(tmp_path, groups=f"0::{path}\n")
    folder = f"sys/fs/cgroup{path}"
    put(tmp_path, f"{folder}/memory.max", f"{1024 * MIB}\n")
    put(tmp_path, f"{folder}/memory.current", f"{700 * MIB}\n")
    put(tmp_path, f"{folder}/memory.stat", f"anon {300 * MIB}\nfile {400 * MIB}\n")
    found = machine.memory(tmp_path)
    assert (found.total, found.free) == (1024 * MIB, 724 * MIB)
    assert found.limit == "the container's limit"


def test_the_smallest_limit_around_a_group_holds(tmp_path):
    a_machine(tmp_path, groups="0::/pod7/worker\n")
    for folder, limit in (("pod7/worker", "max"), ("pod7", str(512 * MIB))):
        put(tmp_path, f"sys/fs/cgroup/{folder}/memory.max", limit)
        put(tmp_path, f"sys/fs/cgroup/{folder}/memory.current", "0")
        put(tmp_path, f"sys/fs/cgroup/{folder}/memory.stat", "file 0\n")
    assert machine.memory(tmp_path).total == 512 * MIB


def test_the_older_control_groups_count_too(tmp_path):
    a_machine(tmp_path, groups="5:cpu:/elsewhere\n4:memory:/docker/9f\n")
    # Docker shows a container its own group at the mount, whatever path the kernel names.
    put(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", str(2048 * MIB))
    put(tmp_path, "sys/fs/cgroup/memory/memory.usage_in_bytes", str(1024 * MIB))
    put(tmp_path, "sys/fs/cgroup/memory/memory.stat", f"cache 1\ntotal_cache {512 * MIB}\n")
    found = machine.memory(tmp_path)
    assert (found.total, found.free) == (2048 * MIB, 1536 * MIB)


@pytest.mark.skipif(shutil.which("free") is None, reason="there is no `free` to compare with")
def test_memory_of_this_machine_is_what_free_says():
    words = subprocess.run(["free", "-b"], capture_output=True, text=True, check=True).stdout.split()
    sizes = dict(
        zip(("Mem:", "Swap:"), (words[words.index(name) + 1] for name in ("Mem:", "Swap:")), strict=True)
    )
    found = machine._machine_memory(Path("/"))
    assert found.total == sum(map(int, sizes.values()))
    assert 0 < found.free <= found.total


def test_this_platform_is_what_the_system_says():
    here = machine.this_platform()
    assert [here.system, here.machine] == subprocess.run(
        ["uname", "-s", "-m"], capture_output=True, text=True, check=True
    ).stdout.split()
    if here.glibc:
        said = subprocess.run(
            ["getconf", "GNU_LIBC_VERSION"], capture_output=True, text=True, check=True
        ).stdout
        assert re.findall(r"\d+", said)[:2] == list(map(str, here.glibc))


def test_a_folder_is_tried_and_left_as_it_was(tmp_path):
    found = machine.try_folder(tmp_path, links=True)
    assert (found.path, found.error) == (tmp_path, "")
    assert found.free > 0
    assert list(tmp_path.iterdir()) == []


def test_of_a_folder_that_is_not_there_the_nearest_that_is_is_tried(tmp_path):
    assert machine.try_folder(tmp_path / "runs" / "demo", links=True).path == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path):
    put(tmp_path, "runs", "no folder")
    found = machine.try_folder(tmp_path / "runs" / "demo", links=True)
    assert (found.path, found.error) == (tmp_path / "runs", "Not a directory")


def test_a_link_to_nowhere_is_an_error(tmp_path):
    (tmp_path / "runs").symlink_to(tmp_path / "unmounted")
    assert machine.try_folder(tmp_path / "runs" / "demo", links=True).error == "No such file or directory"


@pytest.fixture
def as_nobody() -> Iterator[None]:
    try:
        os.seteuid(65534)
    except OSError:
        pytest.skip("this container has no other user")
    try:
        yield
    finally:
        os.seteuid(0)


@needs_root
def test_a_folder_of_another_user_is_an_error(tmp_path, as_nobody):
    assert machine.try_folder(Path("/usr/lib"), links=True).error == "Permission denied"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a file system in memory; the test is skipped where that is not allowed."""
    folder = tmp_path / "mounted"
    folder.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "sluice-doctor-test", str(folder)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("nothing can be mounted here")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], check=False, capture_output=True)


@needs_root
def test_a_read_only_file_system_is_an_error(mounted):
    folder = mounted("ro")
    assert machine.try_folder(folder / "runs", links=True) == machine.Folder(
        folder, shutil.disk_usage(folder).free, "Read-only file system"
    )


@needs_root
def test_a_full_file_system_is_an_error_and_left_as_it_was(mounted):
    folder = mounted("size=2m")
    (folder / "data").write_bytes(bytes(2**21 - 2**14))
    found = machine.try_folder(folder, links=True)
    assert found.error == "No space left on device"
    assert [path.name for path in folder.iterdir()] == ["data"]


@needs_root
def test_a_small_file_system_says_what_is_free(mounted):
    assert machine.try_folder(mounted("size=4m"), links=True).free == 2**22


def test_what_a_program_says_and_that_there_is_none(tmp_path, monkeypatch):
    script = tmp_path / "tool"
    script.write_text("#!/bin/sh\necho one\necho two >&2\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert machine.said(["tool"]) == (3, "one\ntwo")
    assert machine.said(["no-such-tool"]) is None


def test_a_program_that_does_not_answer_is_no_answer(tmp_path, monkeypatch):
    script = tmp_path / "tool"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(machine, "_ANSWER_S", 0.2)
    status, text = machine.said(["tool"]) or (0, "")
    assert status == 1
    assert "timed out" in text


def test_bytecode_is_looked_for_where_python_looks(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(machine.sys, "pycache_prefix", str(tmp_path))
    assert set(machine.compiled().values()) == {False}
    assert set(machine.compiled()) == {"tensorflow", "tfx", "apache_beam", "keras"}
