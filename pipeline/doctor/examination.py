"""All checks, in the order in which their results come: what takes long comes last."""

import os
import shlex
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from pipeline.doctor import beam_runners, checks, machine, stack
from pipeline.doctor.child import ask
from pipeline.doctor.result import Result

ROOT = Path(__file__).resolve().parents[2]
RUN_ROOT, PUSH_TO = "runs", "serving_models"  # where a configuration in the working directory writes
_CONFIG_LIMIT_S, _IMPORT_LIMIT_S = 120.0, 300.0

# To add a check: a function in `checks.py` (facts in, a `Result` out), and a line in `examine`. What the
# configuration has to tell it is a key of what `config_trial.main` returns.


def examine(config: str | None, overrides: Sequence[str] = ()) -> Iterator[Result]:
    """The result of each check, as it ends.

    Args:
      config: the configuration that is to run here, if any.
      overrides: change its keys, see `config_file.load`.
    """
    here = machine.this_platform()
    install, reinstall = (_install(here.stack, anew=anew) for anew in (False, True))
    python = checks.python(here, reinstall, optimized=sys.flags.optimize)
    yield python
    packages = _packages(here.stack, install) if here.stack else Result("packages", "")
    if here.stack:  # else there are no pins to compare with
        yield packages
    yield from _bytecode()
    yield checks.memory(machine.memory())
    chosen: Mapping[str, Any] = {"root": RUN_ROOT, "push_base": PUSH_TO}
    if config is not None:
        answer = ask("pipeline.doctor.config_trial", [config, list(overrides)], _CONFIG_LIMIT_S)
        chosen = answer.report
        yield checks.configuration(config, answer)
        if "source_problems" in chosen:
            yield checks.sources(chosen, f"sluice check {config}")
        if chosen.get("metadata") is not None:
            yield checks.metadata(chosen["metadata"])
    yield from _folders(chosen)
    engine = machine.said(["docker", "version", "--format", "{{.Server.Version}}"])
    yield checks.docker(engine, needed=chosen.get("docker", False))
    yield from beam_runners.results(chosen.get("beam_args", []), ROOT)
    yield from _libraries(chosen, [python, packages], install, reinstall)


def _install(row: stack.Stack | None, *, anew: bool) -> str:
    """The command that installs the pinned requirements in this environment."""
    own = ROOT / ".venv" / "bin"
    if row is None or (own.exists() and own.samefile(Path(sys.executable).parent)):
        return f"make -C {ROOT} clean setup" if anew else f"{ROOT}/requirements/install.sh"
    program, flag = f"{sys.executable} -m pip install", "--force-reinstall"
    if find_spec("pip") is None:
        program, flag = f"uv pip install --python {sys.executable}", "--reinstall"
    pins = ROOT / row.requirements
    shown = pins if pins.is_file() else f"{row.requirements} of the project"
    return f"{program} {f'{flag} ' if anew else ''}--require-hashes -r {shown}"


def _packages(row: stack.Stack, install: str) -> Result:
    try:
        different = stack.differences(ROOT / row.requirements)
    except FileNotFoundError:
        different = None
    return checks.packages(row.requirements, different, install)


def _bytecode() -> Iterator[Result]:
    compiled = machine.compiled()
    if compiled:
        site = shlex.quote(sysconfig.get_paths()["purelib"])
        yield checks.bytecode(compiled, written=not sys.dont_write_bytecode, site=site)


def _folders(chosen: Mapping[str, Any]) -> Iterator[Result]:
    """Whether a run can write where it writes, on this machine."""
    try:
        temporary = machine.try_folder(Path(gettempdir()), links=False)
    except FileNotFoundError as error:
        temporary = machine.Folder(Path(os.environ.get("TMPDIR", "/tmp")), 0, str(error))  # noqa: S108
    place = str(temporary.path)
    yield checks.folder("temporary folder", place, temporary, checks.ROOM_BYTES, "export TMPDIR=FOLDER")
    for key, place, inner in _places(chosen):
        if "://" in place:
            continue
        of_run = key == "run.root"
        tried = [machine.try_folder(path, links=of_run) for path in (Path(place), Path(place, inner))]
        worst = min(tried, key=lambda one: (not one.error, one.free))
        # The Examples of a text file take less than half of its size; those of a packed one may take more.
        room = checks.ROOM_BYTES + (chosen.get("source_bytes", 0) if of_run else 0)
        found = checks.folder(key, place, worst, room, f"--set {key}=FOLDER")
        at_work = of_run and chosen.get("busy") and not found.stops_run
        yield checks.busy(place) if at_work else found


def _places(chosen: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Key of the configuration, folder, and what lies in it that has to be written, too."""
    if "root" not in chosen:
        return []
    places = [("run.root", chosen["root"], "artifacts"), ("push.to", chosen["push_base"], ".sluice")]
    return [*places, *([("run.artifacts", chosen["artifacts"], "")] if chosen.get("artifacts") else [])]


def _libraries(
    chosen: Mapping[str, Any], installed: Sequence[Result], install: str, reinstall: str
) -> Iterator[Result]:
    """What importing TFX shows, which takes most of the time.

    Args:
      chosen: what the configuration says.
      installed: what was found of Python and packages, without importing them.
      install: the command that installs what is pinned.
      reinstall: that which does so although it is there.
    """
    places = {key: place for key, place, _ in _places(chosen) if "://" in place}
    answer = ask("pipeline.doctor.import_trial", list(places.values()), _IMPORT_LIMIT_S)
    found = answer.report
    causes = []
    if "elsewhere" in found:
        path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        causes.append(checks.import_path(found["elsewhere"], path))
    if found.get("keras"):
        causes.append(checks.keras(found["keras"], os.environ))
    remedies = [one.remedy for one in (*causes, *installed) if one.state != "ok"]
    yield checks.imports(answer, next(iter(remedies), reinstall))
    yield from causes
    for key, place in places.items():
        yield checks.remote(key, place, found.get("places", {}).get(place))
    if "absent" in found:
        yield checks.components(found["absent"], reinstall)
        yield checks.gpu(_visible_gpus(), found["gpus"], _with_cuda(found["tensorflow"]))
        yield checks.kubeflow(there=found["kubeflow"], install=install)


def _with_cuda(version: str) -> str:
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "unset CUDA_VISIBLE_DEVICES"
    return f'{sys.executable} -m pip install "tensorflow[and-cuda]=={version}"'


def _visible_gpus() -> int:
    """How many GPUs the driver shows."""
    said = machine.said(["nvidia-smi", "-L"])
    return sum(line.startswith("GPU ") for line in said[1].splitlines()) if said and said[0] == 0 else 0
