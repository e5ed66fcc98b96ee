"""Reads a configuration and looks at its sources, as a run does first. Run by `child.ask`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import SluiceError

if TYPE_CHECKING:
    from pipeline.config import Config


def main(given: tuple[str, list[str]]) -> dict[str, Any]:
    """What of a configuration a run would refuse, and what it would use.

    Args:
      given: the YAML file, and what changes its keys, see `config_file.load`.

    Returns:
      `problems` (of the configuration), and where it can be read `source_problems`, `source_bytes`,
      `metadata` (what is wrong with `run.metadata`, None where it is SQLite), and the keys that the checks
      need.
    """
    from pipeline.config_checks import missing_files
    from pipeline.config_file import load
    from pipeline.run_lock import is_held

    try:
        config = load(*given, local_files=False)
    except SluiceError as error:
        return {"problems": error.problems or [str(error)]}
    # Whether push.to and run.artifacts can be written is really tried, by the parent.
    tried = ("push.to:", "run.artifacts:")
    problems = [problem for problem in missing_files(config) if not problem.startswith(tried)]
    missing = [problem for problem in problems if problem.startswith("data.source:")]
    home = f"{config.run.root.rstrip('/')}/{config.name}"
    found: dict[str, Any] = {
        "problems": [*(one for one in problems if one not in missing), *_beam_problems(config)],
        "source_problems": missing,
        "source_bytes": 0,
        "metadata": _metadata_problems(config),
        "root": home,
        "busy": is_held(Path(home)),
        "push_base": config.push_base,
        "artifacts": config.artifacts,
        "beam_args": config.run.beam_args,
        "docker": config.servability.tf_serving_image is not None,
    }
    if not missing:
        _look_at_sources(config, found)
    return found


def _beam_problems(config: "Config") -> list[str]:
    if not config.run.beam_args:
        return []
    from pipeline.runners.beam_args import beam_args

    try:
        beam_args(config.run)
    except SluiceError as error:
        return [*error.problems]
    return []


def _look_at_sources(config: "Config", found: dict[str, Any]) -> None:
    """Adds what the beginning of the sources shows."""
    from components.ingest.layout import look
    from pipeline.gate_checks import unknown_slices

    try:
        layout = look(config)
        found["source_bytes"] = layout.source_bytes
        found["problems"] += unknown_slices(config, layout.kinds, layout.columns)
    except SluiceError as error:
        found["source_problems"] = [error.summary, *error.problems]
    except OSError as error:
        found["source_problems"] = [f"{error.filename}: {error.strerror}"]


def _metadata_problems(config: "Config") -> list[str] | None:
    from pipeline.metadata_connection import refuse_unreachable

    if config.run.metadata is None:
        return None
    try:
        refuse_unreachable(config)
    except SluiceError as error:
        return list(error.problems)
    return []
