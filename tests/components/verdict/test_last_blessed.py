"""The model to compare with where there is no resolver: what is being served."""

from pathlib import Path

import pytest
from tfx import types
from tfx import v1 as tfx

from components.verdict.last_blessed import NONE_YET, VERSION, LastPushed
from tests.components.pusher.models import held, make_model, push


def found(base: Path | str, folder: Path) -> types.Artifact:
    model = tfx.types.standard_artifacts.Model()
    model.uri = str(folder / "found")
    LastPushed.EXECUTOR_SPEC.executor_class()._FUNCTION(model=model, push_base=str(base))
    return model


@pytest.mark.parametrize("address", ["{}", "file://{}"])
def test_the_newest_version_is_copied_where_the_evaluator_looks_for_a_model(tmp_path, address):
    base = tmp_path / "serving"
    push(base, make_model(tmp_path / "old", "old"))
    newest = push(base, make_model(tmp_path / "new", "new"))
    model = found(address.format(base), tmp_path)
    assert held(tmp_path / "found" / "Format-Serving") == held(tmp_path / "new")
    assert model.get_string_custom_property(VERSION) == str(newest.version)


def test_before_the_first_push_there_is_none(tmp_path):
    assert found(tmp_path / "nothing", tmp_path).get_string_custom_property(VERSION) == NONE_YET
    assert list((tmp_path / "found").iterdir()) == []
