"""The documented flags of Dataflow are flags that Beam knows, and reach the stages as they stand."""

import re
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, WorkerOptions

from pipeline.config import Run
from pipeline.runners.beam_args import beam_args

DOCUMENT = Path(__file__).parents[3] / "docs" / "beam.md"


@pytest.fixture(scope="module")
def documented() -> list[str]:
    """What stands after `--` in the section."""
    section = DOCUMENT.read_text(encoding="utf-8").partition("\n## Dataflow\n")[2]
    (command,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return command.replace("\\\n", " ").partition(" -- ")[2].split()


def unknown(arguments: list[str]) -> set[str]:
    """The names among them that Beam drops, for it knows no option of that name."""
    names = {argument.removeprefix("--").partition("=")[0] for argument in arguments}
    return names - set(PipelineOptions(arguments).get_all_options(drop_default=True))


def test_beam_knows_every_flag(documented):
    assert len(documented) > 8
    assert unknown(documented) == set()
    assert unknown([*documented, "--workers_of_mine=3"]) == {"workers_of_mine"}


def test_the_flags_are_read_as_they_are_meant(documented):
    options = PipelineOptions(documented)
    cloud, workers = options.view_as(GoogleCloudOptions), options.view_as(WorkerOptions)
    assert (cloud.project, cloud.region) == ("PROJECT", "europe-west1")
    assert cloud.temp_location == "gs://BUCKET/tmp"
    assert (workers.num_workers, workers.max_num_workers, workers.disk_size_gb) == (2, 16, 50)
    assert workers.sdk_container_image.endswith("/sluice/worker:0.1.0")


def test_stages_get_the_flags_and_nothing_else(documented):
    assert beam_args(Run(beam_args=tuple(documented))) == documented
