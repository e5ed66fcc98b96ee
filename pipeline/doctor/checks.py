"""What is found here, judged: facts in, results out."""

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.doctor.child import Answer
from pipeline.doctor.machine import Folder, Memory
from pipeline.doctor.result import Result, lack, stops, warning
from pipeline.doctor.stack import CLASSIC, MODERN, MODERN_GLIBC, Difference, Platform

_MB, _GB = 10**6, 10**9
# Measured on the demo, all processes of the run together; see docs/doctor.md.
RUN_BYTES = 1_100 * _MB  # that no file backs: with less it is killed
ROOM_BYTES = 10 * _MB  # it leaves 4 MB in run.root, 1 in push.to, and holds 2 in the temporary folder
_SHOWN = 5
_CUTTING = "KERAS_MAX_STEPS_PER_EPOCH"  # KERAS_MAX_EPOCHS cuts nothing, for each epoch is a call of its own


def python(here: Platform, reinstall: str, *, optimized: int = 0) -> Result:
    """Whether a stack runs on this machine, with this Python.

    Args:
      here: the machine.
      reinstall: the command that sets up another Python.
      optimized: the level of Python's optimization; the second strips docstrings.
    """
    version, libc = _dotted(here.python), f"glibc {_dotted(here.glibc)}" if here.glibc else "no glibc"
    found = f"Python {version} on {here.system} {here.machine}, {libc}"
    if here.stack and optimized > 1:
        found += "; it strips docstrings, and TensorFlow reads its own"
        return stops("python", found, "unset PYTHONOPTIMIZE, and call python without -OO")
    if here.stack:
        return Result("python", f"{found}: TFX {here.stack.tfx}")
    if not here.stacks:
        return stops(
            "python",
            f"{found}: no TFX runs there",
            f"use Linux on x86_64 with glibc, on aarch64 with glibc {_dotted(MODERN_GLIBC)} or newer "
            "(Debian 13, Ubuntu 24.04), or macOS on Apple silicon",
        )
    suited = " or ".join(_dotted(one) for stack in here.stacks for one in stack.pythons)
    if here.python in MODERN.pythons and here.stacks == (CLASSIC,):
        found += f"; TFX {MODERN.tfx}, which this Python needs, needs glibc {_dotted(MODERN_GLIBC)}"
    return stops("python", f"{found}; expected Python {suited}", f"{reinstall}, which finds or installs it")


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def packages(requirements: str, different: Sequence[Difference] | None, install: str) -> Result:
    """Whether what is installed is what is pinned; None where there are no pins beside the code."""
    if different is None:
        return Result("packages", f"not compared: {requirements} is not beside this installation")
    if not different:
        return Result("packages", f"all are as {requirements} pins them")
    missing = [one.package for one in different if one.installed is None]
    other = [f"{one.package} {one.installed}, pinned {one.pinned}" for one in different if one.installed]
    found = [f"missing: {_shown(missing)}"] if missing else []
    found += [f"other versions: {_shown(other)}"] if other else []
    cost = "what was tested are the pinned versions, all of them"
    return warning("packages", "; ".join(found), cost, install)


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def bytecode(compiled: Mapping[str, bool], *, written: bool, site: str) -> Result:
    """Whether each start compiles the libraries anew.

    Args:
      compiled: whether there is bytecode, by package.
      written: whether this environment lets Python write it.
      site: the folder of the packages.
    """
    missing = [name for name, there in compiled.items() if not there]
    if not missing or written:
        return Result("bytecode", "the first run writes it" if missing else "compiled")
    return warning(
        "bytecode",
        f"{', '.join(missing)} without bytecode, and PYTHONDONTWRITEBYTECODE is set",
        "each command compiles them again: 21 s of a core to load TFX, with bytecode 8 s",
        f"env -u PYTHONDONTWRITEBYTECODE python -m compileall -q -j 0 {site}",
    )


def memory(here: Memory) -> Result:
    """Whether a small run fits."""
    found = f"{here.free / _GB:.1f} GB free of {here.total / _GB:.1f} GB ({here.limit})"
    needed = f"; the demo takes {RUN_BYTES / _GB:.1f} GB"
    if here.total < RUN_BYTES:
        more = "give the container more: docker run --memory 4g, or resources of its pod"
        return stops("memory", found + needed, more if "container" in here.limit else "use a larger machine")
    if here.free < RUN_BYTES:
        return stops("memory", found + needed, "end what holds it: ps aux --sort=-rss | head")
    return Result("memory", found)


def folder(name: str, wanted: str, tried: Folder, needed: int, remedy: str) -> Result:
    """Whether a folder can be written, and has room.

    Args:
      name: of the check.
      wanted: the folder.
      tried: what came of trying it.
      needed: bytes.
      remedy: where it cannot be written.
    """
    if tried.error:
        if tried.error == os.strerror(errno.EACCES):
            owned = tried.path if tried.path.is_relative_to(wanted) else wanted
            remedy = f"sudo install -d -o $USER {owned}, or {remedy}"
        return stops(name, f"{tried.path} cannot be written: {tried.error}", remedy)
    how = "written" if str(tried.path) == wanted else f"{tried.path} was written"
    found = f"{wanted}: {how}; {_size(tried.free)} free"
    if tried.free < needed:
        return stops(
            name,
            f"{found}, expected {_size(needed)}",
            f"make room (du -xh {tried.path} | sort -h), or {remedy}",
        )
    return Result(name, found)


def _size(number: int) -> str:
    return f"{number / _GB:,.1f} GB" if number >= _GB else f"{number / _MB:,.1f} MB"


def busy(place: str) -> Result:
    """A folder in which a run is at work."""
    return stops(
        "run.root", f"another run is at work in {place}", "wait until it has ended, or --set run.root=FOLDER"
    )


def remote(name: str, place: str, error: str | None) -> Result:
    """Whether a place in an object store can be written; None where TensorFlow could not try."""
    if error is None:
        return warning(
            name, f"{place} was not tried, for TensorFlow does not load", "it is not known", "see imports"
        )
    if error:
        return stops(name, f"{place} cannot be written: {error}", "check its name and your credentials")
    return Result(name, f"{place}: written")


def configuration(path: str, answer: Answer) -> Result:
    """Whether a run would accept the configuration."""
    if answer.died:
        return stops(
            "configuration", f"{path} cannot be read: its reader {answer.died}", "see packages and imports"
        )
    if problems := answer.report["problems"]:
        return stops("configuration", "; ".join(problems), f"correct {path}", exit_code=2)
    return Result("configuration", path)


def sources(report: Mapping[str, Any], check: str) -> Result:
    """Whether the beginning of the sources can be read as configured."""
    if problems := report["source_problems"]:
        return stops("sources", "; ".join(problems), "correct data.source, or the files", exit_code=2)
    return Result("sources", f"{_size(report['source_bytes'])}; {check} says more of them")


def metadata(problems: Sequence[str]) -> Result:
    """Whether the MySQL server of `run.metadata` takes what a run writes."""
    if not problems:
        return Result("run.metadata", "the database answers")
    said = "; ".join(problem.removeprefix("run.metadata: ") for problem in problems)
    return stops("run.metadata", said, "mend the server, or leave run.metadata out, for SQLite")


def docker(said: tuple[int, str] | None, *, needed: bool) -> Result:
    """Whether a Docker engine answers."""
    if said is not None and said[0] == 0:
        return Result("docker", f"engine {said[1]}")
    if said is None:
        found, remedy = "not installed", "apt-get install docker.io (Debian), or install Docker Desktop"
    elif "permission denied" in said[1].lower():
        found, remedy = "its engine may not be used by you", "sudo usermod -aG docker $USER, and log in again"
    else:
        found, remedy = f"no engine answers: {_last(said[1])}", "sudo systemctl start docker"
    ruled_out = "TensorFlow Serving itself in sluice serve, servability.tf_serving_image"
    if needed:
        ruled_out = f"sluice run with this configuration; {ruled_out}"
    return lack("docker", found, ruled_out, remedy, stops_run=needed)


def _last(text: str) -> str:
    return (text.splitlines() or ["it said nothing"])[-1]


def gpu(visible: int, used: int, install: str) -> Result:
    """Whether TensorFlow can use the GPUs that the driver shows."""
    if used:
        return Result("gpu", f"{used} of {max(visible, used)} used by TensorFlow")
    if not visible:
        return Result("gpu", "none; training runs on the CPU")
    return warning(
        "gpu",
        f"{visible} in this machine, and TensorFlow can use none",
        "training runs on the CPU, slower",
        install,
    )


def imports(answer: Answer, remedy: str) -> Result:
    """Whether everything that a run imports loads."""
    if answer.died:
        found = f"the process that loads TFX {answer.died}"
        if "SIGILL" in answer.died:
            no_avx = "use a machine whose CPU has AVX; this one's: grep -c -w avx /proc/cpuinfo"
            return stops("imports", found, no_avx)
        if "SIGKILL" in answer.died:
            return stops("imports", f"{found}, most likely for want of memory", "see memory")
        return stops("imports", found, remedy)
    if failed := answer.report.get("failed"):
        return stops("imports", failed, remedy)
    return Result("imports", f"all that a run imports, in {answer.report['seconds']:.1f} s")


def import_path(elsewhere: Mapping[str, str], path: Sequence[str]) -> Result:
    """Whether a module hides one of the stack's.

    Args:
      elsewhere: module to its file, of those that do.
      path: the folders of PYTHONPATH.
    """
    if not elsewhere:
        return Result("import path", "nothing hides a module of the stack")
    found = ", ".join(f"{name} comes from {file}" for name, file in elsewhere.items())
    first = next(iter(elsewhere.values()))
    named = [folder for folder in path if folder and Path(first).is_relative_to(folder)]
    remedy = f"take {named[0]} out of PYTHONPATH" if named else f"rename {first}"
    return warning("import path", found, "a run uses these in place of the stack's modules", remedy)


def components(absent: Sequence[str], reinstall: str) -> Result:
    """Whether TFX has every component that is used."""
    if not absent:
        return Result("components", "TFX has all that are used")
    found = f"TFX has no {', '.join(absent)}: an import of its own failed"
    if list(absent) == ["InfraValidator"]:
        return lack("components", found, "servability.tf_serving_image", reinstall)
    return stops("components", found, reinstall)


def keras(settings: Mapping[str, str], variables: Mapping[str, str]) -> Result:
    """Whether Keras computes as the trainer expects it to.

    Args:
      settings: `backend` and `floatx`, as Keras has read them.
      variables: the environment.
    """
    expected = {"backend": "tensorflow", "floatx": "float32"}
    wrong = [
        f"{key} {value}, expected {expected[key]}"
        for key, value in settings.items()
        if value != expected[key]
    ]
    if wrong:
        by_variable = settings["backend"] == variables.get("KERAS_BACKEND")
        file = f"rm {variables.get('KERAS_HOME', '~/.keras')}/keras.json"
        return stops("keras", "; ".join(wrong), "unset KERAS_BACKEND" if by_variable else file)
    if _CUTTING in variables:
        found = f"{_CUTTING}={variables[_CUTTING]}"
        return warning("keras", found, "each epoch sees the first batches only", f"unset {_CUTTING}")
    return Result("keras", ", ".join(settings.values()))


def kubeflow(*, there: bool, install: str) -> Result:
    """Whether a pipeline can be compiled."""
    if there:
        return Result("kubeflow", "kfp is installed")
    return lack(
        "kubeflow", "TFX has no Kubeflow runner, for kfp is missing or broken", "sluice compile", install
    )
