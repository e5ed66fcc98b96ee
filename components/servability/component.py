"""Servability: says whether an export can be served. ServabilityGate: ends the run where it cannot."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf
from tfx import v1 as tfx
from tfx.utils import io_utils, path_utils

from components.artifact_json import read, write
from components.servability.inspection import Inspection, inspect
from components.trainer.beside import EXPECTED
from pipeline.config import Servability as Settings
from pipeline.errors import NotServable

SERVABILITY = "servability.json"
# As TFX's InfraValidator names them, for Pusher and other tools of TFX.
_BLESSED, _BLESSED_FILE, _NOT_BLESSED_FILE = "blessed", "INFRA_BLESSED", "INFRA_NOT_BLESSED"


@tfx.dsl.components.component
def Servability(  # noqa: N802 (TFX names a component by its function)
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    model_run: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelRun],
    blessing: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    task: tfx.dsl.components.Parameter[str],
    config: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
) -> None:
    """Loads an export in a process of its own, with TensorFlow Serving's loader, and asks it.

    Args:
      model: of the Trainer.
      model_run: of the Trainer, which says what the export must hold and answer.
      blessing: as the stock InfraValidator's, with `servability.json` beside.
      task: of the configuration.
      config: its section `servability`, as JSON.
      code: a digest of the code, so that models are looked at again when it changes.
    """
    del code  # it only takes part in the cache key
    settings = Settings.model_validate_json(config)
    expected = read(model_run.uri, EXPECTED)
    with _local(path_utils.serving_model_path(model.uri)) as folder:
        found = inspect(folder, expected, task, settings, [_pipeline_root(model.uri)])
    write(blessing.uri, SERVABILITY, servability_json(found, settings))
    blessing.set_int_custom_property(_BLESSED, int(found.servable))
    io_utils.write_string_file(f"{blessing.uri}/{_BLESSED_FILE if found.servable else _NOT_BLESSED_FILE}", "")


@tfx.dsl.components.component
def ServabilityGate(  # noqa: N802 (TFX names a component by its function)
    blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.InfraBlessing],
) -> None:
    """Lets a run go on where the export can be served.

    It is a stage of its own so that the blessing is registered before the run ends.

    Args:
      blessing: of Servability, or of the stock InfraValidator.

    Raises:
      NotServable: with every reason.
    """
    if blessing.get_int_custom_property(_BLESSED) == 1:
        return
    if not tf.io.gfile.exists(f"{blessing.uri}/{SERVABILITY}"):
        raise NotServable(
            "the model server in Docker did not load the model, or did not answer",
            ["its words are in the log of the run, at the stage InfraValidator"],
        )
    reasons = [reason for check in read(blessing.uri, SERVABILITY)["checks"] for reason in check["reasons"]]
    raise NotServable("TensorFlow Serving could not serve the model", reasons)


def servability_json(found: Inspection, settings: Settings) -> Mapping[str, object]:
    """Whether the model can be served, every check, and what was measured."""
    return {
        "servable": found.servable,
        "tf_serving": settings.version,
        "checks": [check.as_json() for check in found.checks],
        "measured": {name: round(value, 3) for name, value in found.measured.items()},
    }


def _pipeline_root(uri: str) -> str:
    """Folder of the artifacts of all stages: an artifact lies in `<stage>/<key>/<number>` below it."""
    return uri.rstrip("/").rsplit("/", 3)[0]


@contextmanager
def _local(folder: str) -> Iterator[str]:
    """The folder, or a local copy of a remote one."""
    if "://" not in folder:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="servability-") as home:
        copy = str(Path(home, "model"))
        io_utils.copy_dir(folder, copy)
        yield copy
