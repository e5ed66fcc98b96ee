"""TensorFlow Serving itself, in a container, with the configuration that lies here."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

IMAGE = "tensorflow/serving:2.20.0"
_HERE = Path(__file__).parent
_ANSWER_S = 10
_MODELS = "models.config"


def engine_answers() -> bool:
    """Whether a Docker engine can be asked to run something."""
    if not shutil.which("docker"):
        return False
    try:
        command = ["docker", "version", "--format", "{{.Server.Version}}"]
        return subprocess.run(command, check=False, capture_output=True, timeout=_ANSWER_S).returncode == 0  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False


def models_config(name: str, labels: Mapping[str, int] | None = None) -> str:
    """A ModelServerConfig for one model: the newest version, or all of them where some have labels."""
    policy = "all {}" if labels else "latest { num_versions: 1 }"
    listed = "".join(
        f"    version_labels {{ key: {json.dumps(label)} value: {version} }}\n"
        for label, version in (labels or {}).items()
    )
    return (
        "model_config_list {\n  config {\n"
        f'    name: "{name}"\n    base_path: "/models/{name}"\n    model_platform: "tensorflow"\n'
        f"    model_version_policy {{ {policy} }}\n{listed}  }}\n}}\n"
    )


def command(
    name: str, base: Path, folder: Path, port: int, rest_port: int, labels: Mapping[str, int] | None = None
) -> list[str]:
    """The `docker run` that serves a model to this machine alone.

    Args:
      name: of the model.
      base: its base path, which the container can only read.
      folder: the configuration of the models is written here.
      port: of gRPC.
      rest_port: of REST.
      labels: label to version.
    """
    (folder / _MODELS).write_text(models_config(name, labels))
    mounts = {
        base.resolve(): f"/models/{name}",
        (folder / _MODELS).resolve(): f"/config/{_MODELS}",
        _HERE / "batching.config": "/config/batching.config",
        _HERE / "monitoring.config": "/config/monitoring.config",
    }
    binds = [f"type=bind,source={source},target={target},readonly" for source, target in mounts.items()]
    return [
        "docker", "run", "--rm", "--platform", "linux/amd64", "--name", container(name, port),
        "--memory", "2g", "--cap-drop", "ALL",
        "--publish", f"127.0.0.1:{port}:8500", "--publish", f"127.0.0.1:{rest_port}:8501",
        *(part for bind in binds for part in ("--mount", bind)),
        "--entrypoint", "tensorflow_model_server", IMAGE,
        "--port=8500", "--rest_api_port=8501", f"--model_config_file=/config/{_MODELS}",
        "--enable_batching=true", "--batching_parameters_file=/config/batching.config",
        "--monitoring_config_file=/config/monitoring.config",
        "--allow_version_labels_for_unavailable_models=true",
    ]  # fmt: skip


def container(name: str, port: int) -> str:
    """The name of the container."""
    return f"sluice-{name}-{port}"


def start(arguments: list[str], log: Path) -> "subprocess.Popen[bytes]":
    """Runs the command in a session of its own, so that Ctrl-C reaches us alone; it writes to a file."""
    with log.open("wb") as file:
        return subprocess.Popen(arguments, stdout=file, stderr=file, start_new_session=True)  # noqa: S603


def stop(name: str, port: int, process: "subprocess.Popen[bytes]", grace_s: float) -> None:
    """Lets the server answer what it works on, and ends it."""
    ended = ["docker", "stop", "--time", str(round(grace_s)), container(name, port)]
    subprocess.run(ended, check=False, capture_output=True)  # noqa: S603
    process.wait()
