"""Which Beam arguments the stages get."""

from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, SetupOptions, WorkerOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.runner import create_runner

from pipeline.config import Run
from pipeline.errors import ConfigError
from pipeline.runners.beam_args import beam_args


def options_of(*given: str, workers: int = 1) -> PipelineOptions:
    return PipelineOptions(beam_args(Run(beam_args=given, workers=workers)))


def test_without_a_runner_stages_run_in_memory_and_nothing_is_packed_for_workers():
    options = options_of()
    assert isinstance(create_runner(options.get_all_options()["runner"]), FnApiRunner)
    assert options.view_as(WorkerOptions).sdk_container_image == "none"
    assert options.view_as(SetupOptions).setup_file is None


def test_workers_are_processes():
    direct = options_of(workers=3).view_as(DirectOptions)
    assert (direct.direct_running_mode, direct.direct_num_workers) == ("multi_processing", 3)


def test_given_arguments_stand_last_so_that_they_win():
    assert options_of("--temp_location=here").get_all_options()["temp_location"] == "here"
    assert beam_args(Run(beam_args=("--direct_num_workers=2",)))[-1] == "--direct_num_workers=2"


@pytest.mark.parametrize("runner", [["--runner=FlinkRunner"], ["--runner", "DataflowRunner"]])
def test_a_runner_with_workers_elsewhere_gets_the_project_to_install(runner):
    setup_file = options_of(*runner).view_as(SetupOptions).setup_file
    assert 'name="sluice"' in Path(setup_file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "said",
    [
        "--sdk_container_image=sluice:1",
        "--setup_file=other/setup.py",
        "--extra_package=sluice.tar.gz",
        "--requirements_file=requirements.txt",
    ],
)
def test_what_says_where_the_code_is_stands_alone(said):
    given = ("--runner=FlinkRunner", said)
    assert beam_args(Run(beam_args=given)) == list(given)


@pytest.mark.parametrize("environment", ["EXTERNAL", "LOOPBACK", "PROCESS"])
def test_workers_that_are_there_already_get_no_code(environment):
    options = options_of(
        "--runner=PortableRunner", "--job_endpoint=localhost:1", f"--environment_type={environment}"
    )
    assert options.view_as(SetupOptions).setup_file is None
    assert options.view_as(WorkerOptions).sdk_container_image == "none"


def test_workers_of_this_machine_and_a_runner_elsewhere_are_a_contradiction():
    with pytest.raises(ConfigError, match=r"the runner in run\.beam_args has its own"):
        beam_args(Run(beam_args=("--runner=FlinkRunner",), workers=2))


@pytest.mark.parametrize("said", ["--direct_running_mode=multi_threading", "--direct_num_workers=3"])
def test_workers_said_twice_are_a_contradiction(said):
    with pytest.raises(ConfigError, match="both say how stages run"):
        beam_args(Run(beam_args=(said,), workers=2))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["--rnner=FlinkRunner"], "Beam knows no --rnner=FlinkRunner; look at the spelling"),
        (["nonsense"], "Beam knows no nonsense"),
        (["--direct_num_workers=abc"], "argument --direct_num_workers: invalid int value: 'abc'"),
        (["--runner=Nonsense"], "--runner=Nonsense: Unexpected pipeline runner"),
        (["--runner=PortableRunner"], "--runner=PortableRunner: needs --job_endpoint=HOST:PORT"),
    ],
)
def test_what_beam_does_not_know_is_refused_before_a_run(given, problem):
    with pytest.raises(ConfigError) as caught:
        beam_args(Run(beam_args=tuple(given)))
    (found,) = caught.value.problems
    assert found.startswith(f"run.beam_args: {problem}")


def test_what_only_a_job_server_knows_is_left_to_it():
    given = ("--runner=PortableRunner", "--job_endpoint=localhost:1", "--of_a_job_server=4")
    assert set(given) <= set(beam_args(Run(beam_args=given)))


def test_no_argument_pickles_the_main_module():
    for given in [(), ("--runner=FlinkRunner",)]:
        assert not options_of(*given).view_as(SetupOptions).save_main_session
