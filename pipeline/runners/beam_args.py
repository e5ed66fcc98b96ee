"""Beam arguments of the stages: which engine runs them, and how their code gets there."""

import argparse
import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path

from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)
from apache_beam.runners.runner import create_runner

from pipeline.config import Run
from pipeline.errors import ConfigError

# By its full name: the default may be another engine where the machine can download one.
IN_MEMORY = "--runner=apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner"
# TFX packs itself for the workers, half a second a stage, unless arguments say where their code comes from.
NO_CODE = "--sdk_container_image=none"
_SAY_WHERE_CODE_IS = (
    "setup_file",
    "requirements_file",
    "extra_packages",
    "sdk_container_image",
    "worker_harness_container_image",
)
_HAVE_THE_CODE = ("EXTERNAL", "LOOPBACK", "PROCESS")  # environments of workers that are there already
_SETUP = Path(__file__).resolve().parents[2] / "setup.py"


def beam_args(run: Run) -> list[str]:
    """The arguments of the configuration, and what they leave open.

    Without a runner among them the stages run in Beam's in-memory engine: in this process, or in
    `run.workers` processes of this machine. Workers elsewhere get this project by `--setup_file`, unless
    an argument says where they have it from.

    Raises:
      ConfigError: an argument or a value that Beam does not know, a runner without what it needs, or worker
        processes of this machine together with an engine elsewhere.
    """
    given = list(run.beam_args)
    unknown = _unknown(given)
    options = PipelineOptions(given)
    runner = options.view_as(StandardOptions).runner
    if runner is None:
        if unknown:  # a job server may know more arguments than this machine, but there is none
            raise _refused(f"Beam knows no {', '.join(unknown)}; look at the spelling")
        return [IN_MEMORY, NO_CODE, *_workers(run, options), *given]
    _refuse_unusable(runner, options)
    if run.workers > 1:
        raise ConfigError(
            "run.workers are processes of this machine, and the runner in run.beam_args has its own",
            ["leave out the one or the other; the runner's own arguments say how many workers it has"],
        )
    return [*given, *_code(options)]


def _workers(run: Run, options: PipelineOptions) -> Sequence[str]:
    if run.workers == 1:
        return ()
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "in_memory" or direct.direct_num_workers != 1:
        raise ConfigError(
            "run.workers and --direct_running_mode or --direct_num_workers both say how stages run",
            ["leave one of them out"],
        )
    return "--direct_running_mode=multi_processing", f"--direct_num_workers={run.workers}"


def _unknown(given: list[str]) -> list[str]:
    """The arguments that no options of Beam are for."""
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False, usage=argparse.SUPPRESS)
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return parser.parse_known_args(given)[1]
    except SystemExit:  # argparse's word for a value that is none
        raise _refused(said.getvalue().strip().partition("error: ")[2]) from None


def _refuse_unusable(runner: str, options: PipelineOptions) -> None:
    try:
        create_runner(runner)
    except (ValueError, ImportError, AttributeError) as error:
        raise _refused(f"--runner={runner}: {' '.join(str(error).split())}") from error
    portable = options.view_as(PortableOptions)
    if runner.rpartition(".")[2] == "PortableRunner" and not portable.job_endpoint:
        raise _refused("--runner=PortableRunner: needs --job_endpoint=HOST:PORT, see docs/beam.md")


def _refused(problem: str) -> ConfigError:
    return ConfigError("the Beam arguments cannot be used", [f"run.beam_args: {problem}"])


def _code(options: PipelineOptions) -> Sequence[str]:
    said = options.get_all_options()
    if any(said.get(name) for name in _SAY_WHERE_CODE_IS):
        return ()
    if said.get("environment_type") in _HAVE_THE_CODE:
        return (NO_CODE,)
    if not _SETUP.is_file():
        raise ConfigError(
            "the runner in run.beam_args needs this project for its workers, and its sources are not here",
            ["give --sdk_container_image=IMAGE with an image that has it, or run from a checkout"],
        )
    return (f"--setup_file={_SETUP}",)
