"""Imports what a run imports, and says what came of it. Run by `child.ask`."""

import importlib
import sys
import sysconfig
import time
import traceback
import uuid
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

RUN = "pipeline.execute"  # imports the stages, and these the stack
# Stock components that `pipeline/build.py` and our stages use; TFX makes one None where its import fails.
COMPONENTS = (
    "StatisticsGen", "SchemaGen", "ImportSchemaGen", "ExampleValidator", "Transform", "Trainer", "Evaluator",
    "InfraValidator", "Pusher",
)  # fmt: skip


def main(places: list[str]) -> dict[str, Any]:
    """What importing came to.

    Args:
      places: remote folders, to be written to through TensorFlow.

    Returns:
      `elsewhere` (module to file, of what hides a module of the stack), `keras` (its settings, where it
      came so far), and `failed` (what an import raised) or all that could be found out after it.
    """
    began = time.monotonic()
    try:
        importlib.import_module(RUN)
    except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
        return {"failed": _said(error), "elsewhere": _elsewhere(_failing(error)), "keras": _keras()}
    seconds = time.monotonic() - began
    known = {"elsewhere": _elsewhere(), "keras": _keras(), "places": _tried(places)}
    return {"seconds": seconds, **known, **_facts()}


def _said(error: Exception) -> str:
    """What an import raised, and in which file it was."""
    files = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")
    ]
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text} ({files[-1].filename.rpartition('-packages/')[2]})"


def _failing(error: Exception) -> dict[str, str]:
    """Module and file of what was being imported when an import failed, and is gone again."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return {frame.f_globals["__name__"]: frame.f_code.co_filename for frame in frames}


def _facts() -> dict[str, Any]:
    import tensorflow as tf
    from tfx import v1 as tfx

    return {
        "absent": [name for name in COMPONENTS if getattr(tfx.components, name, None) is None],
        "kubeflow": hasattr(tfx.orchestration.experimental, "KubeflowV2DagRunner"),
        "tensorflow": tf.__version__,
        "gpus": len(tf.config.list_physical_devices("GPU")),
    }


def _keras() -> dict[str, str]:
    """Backend and type of numbers that Keras was told; it reads them before it can fail for them."""
    config: Any = sys.modules.get("keras.src.backend.config")
    return {"backend": config.backend(), "floatx": config.floatx()} if config else {}


def _elsewhere(failing: Mapping[str, str] | None = None) -> dict[str, str]:
    """The modules that come from a folder before that of the stack, which has them too."""
    paths = sysconfig.get_paths()
    folders = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    loaded = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    found = {}
    for name, file in {**loaded, **(failing or {})}.items():
        if "." in name or file is None or any(Path(folder) in Path(file).parents for folder in folders):
            continue
        hidden = PathFinder.find_spec(name, folders)
        if hidden is not None and hidden.origin is not None:
            found[name] = file
    return found


def _tried(places: list[str]) -> dict[str, str]:
    """What writing and removing a file in each place raised; nothing where it went well."""
    import tensorflow as tf

    from pipeline import locations

    errors = {}
    for place in places:
        path = f"{place.rstrip('/')}/.sluice-doctor-{uuid.uuid4().hex}"
        try:
            locations.exists(path)  # imports what brings the file system, as a run does
            with tf.io.gfile.GFile(path, "w") as file:
                file.write("written by sluice doctor, to be removed at once")
            tf.io.gfile.remove(path)
        except Exception as error:  # noqa: BLE001 (a file system may raise anything)
            errors[place] = " ".join(str(error).split())
        else:
            errors[place] = ""
    return errors
