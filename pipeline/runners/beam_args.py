"""Beam arguments of the stages: which engine runs them, and how their code gets there."""

from collections.abc import Sequence
from pathlib import Path

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

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
      ConfigError: worker processes of this machine are asked for and an engine elsewhere.
    """
    given = list(run.beam_args)
    options = PipelineOptions(given)
    if options.view_as(StandardOptions).runner is None:
        return [IN_MEMORY, NO_CODE, *_workers(run, options), *given]
    if run.workers > 1:
        raise ConfigError(
            "run.workers are processes of this machine, and the runner in run.beam_args has its own",
            ["leave out the one or the other; the runner's own arguments say how many workers it has"],
        )
    return [*given, *_code(options)]


def _workers(run: Run, options: PipelineOptions) -> Sequence[str]:
    if run.workers == 1:
        return ()
    if options.view_as(DirectOptions).direct_running_mode != "in_memory":
        raise ConfigError(
            "run.workers and --direct_running_mode among the Beam arguments both say how stages run",
            ["leave one of them out"],
        )
    return "--direct_running_mode=multi_processing", f"--direct_num_workers={run.workers}"


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
