"""The Pusher stage: which model it takes, and what it says on the PushedModel."""

import json
from pathlib import Path

import pytest
from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base import base_executor
from tfx.utils import proto_utils

from components.pusher.component import KEEP, SafeExecutor
from pipeline.errors import SluiceError
from tests.components.pusher.models import held, make_model, numbers

artifacts = tfx.types.standard_artifacts


def artifact(kind: type, folder: Path, **properties: int) -> types.Artifact:
    folder.mkdir(parents=True, exist_ok=True)
    made = kind()
    made.uri = str(folder)
    for name, value in properties.items():
        made.set_int_custom_property(name, value)
    return made


@pytest.fixture
def push(tmp_path):
    """Runs the executor on a model and on blessings, and gives the PushedModel."""

    def run(
        content: str,
        infra: types.Artifact | None = None,
        blessed: int = 1,
        place: str = "out",
        run_id: str | None = "20261122T101112Z",
    ):
        model = artifact(artifacts.Model, tmp_path / content)
        make_model(tmp_path / content / "Format-Serving", content)
        blessing = artifact(artifacts.ModelBlessing, tmp_path / "blessing", blessed=blessed)
        decisions = [
            {"gate": "value", "passed": True}, {"gate": "drop", "passed": True},
            {"gate": "slice_size", "passed": True},
        ]  # fmt: skip
        verdict = {"blessed": True, "forced": "new sensors", "forced_by": "ana", "decisions": decisions}
        (tmp_path / "blessing" / "verdict.json").write_text(json.dumps(verdict))
        pushed = artifact(artifacts.PushedModel, tmp_path / "pushed" / content / str(blessed))
        destination = tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(tmp_path / place / "n"))
        )
        context = base_executor.BaseExecutor.Context(pipeline_run_id=run_id)
        SafeExecutor(context).Do(
            {
                "model": [model],
                "model_blessing": [blessing],
                **({"infra_blessing": [infra]} if infra else {}),
            },
            {"pushed_model": [pushed]},
            {
                "push_destination": proto_utils.proto_to_json(destination),
                "custom_config": json.dumps({KEEP: 2}),
            },
        )
        return pushed

    return run


def test_where_no_run_is_told_of_the_version_names_none(push, tmp_path):
    push("first", run_id=None)  # as on Kubeflow
    (version,) = numbers(tmp_path / "out" / "n")
    manifest = tmp_path / "out" / "n" / ".sluice" / "versions" / f"{version}.json"
    assert json.loads(manifest.read_text())["run_id"] is None


def test_a_blessed_model_is_pushed_and_the_artifact_says_where(push, tmp_path):
    pushed = push("first")
    (version,) = numbers(tmp_path / "out" / "n")
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_version") == str(version)
    assert pushed.get_string_custom_property("pushed_destination") == str(
        tmp_path / "out" / "n" / str(version)
    )
    assert len(pushed.get_string_custom_property("sha256")) == 64
    assert pushed.get_int_custom_property("already_served") == 0
    expected = held(make_model(tmp_path / "expected", "first"))
    assert held(tmp_path / "out" / "n" / str(version)) == held(pushed.uri) == expected


def test_the_manifest_names_run_verdict_and_who_forced_it(push, tmp_path):
    push("first")
    (manifest,) = (tmp_path / "out" / "n" / ".sluice" / "versions").iterdir()
    said = json.loads(manifest.read_text())
    assert said["run_id"] == "20261122T101112Z"
    assert said["verdict"] == {"blessed": True, "met": 2, "asked": 2}
    assert said["forced"] == {"reason": "new sensors", "by": "ana"}


def test_what_is_served_already_is_said_to_be(push, tmp_path):
    first, again = push("first"), push("first")
    assert again.get_int_custom_property("already_served") == 1
    assert again.get_int_custom_property("pushed") == 1
    for name in ("pushed_version", "pushed_destination", "sha256"):
        assert again.get_string_custom_property(name) == first.get_string_custom_property(name)
    assert len(numbers(tmp_path / "out" / "n")) == 1


def test_only_so_many_versions_stay_as_the_configuration_says(push, tmp_path):
    for content in "abcd":
        push(content)
    assert len(numbers(tmp_path / "out" / "n")) == 2


def test_an_unblessed_model_is_not_pushed(push, tmp_path):
    assert push("first", blessed=0).get_int_custom_property("pushed") == 0
    assert not (tmp_path / "out").exists()


def test_the_model_with_warm_up_requests_goes_where_there_is_one(push, tmp_path):
    infra = artifact(artifacts.InfraBlessing, tmp_path / "infra", blessed=1, has_model=1)
    (tmp_path / "infra" / "INFRA_BLESSED").write_text("")
    stamped = make_model(tmp_path / "infra" / "stamped_model", "with warm-up")
    pushed = push("first", infra)
    assert held(pushed.get_string_custom_property("pushed_destination")) == held(stamped)


def test_an_infra_blessing_without_a_model_lets_the_trainers_go(push, tmp_path):
    infra = artifact(artifacts.InfraBlessing, tmp_path / "infra", blessed=1, has_model=0)
    (tmp_path / "infra" / "INFRA_BLESSED").write_text("")
    pushed = push("first", infra)
    assert held(pushed.get_string_custom_property("pushed_destination")) == held(
        make_model(tmp_path / "expected", "first")
    )


def test_a_push_that_cannot_be_made_fails_the_stage(push, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(SluiceError, match="expected a folder, and a file is there"):
        push("first", place="taken")
