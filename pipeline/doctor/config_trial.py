"""Reads a configuration and looks at its sources, as a run does first. Run by `child.ask`."""

from typing import Any

from pipeline.errors import SluiceError


def main(given: tuple[str, list[str]]) -> dict[str, Any]:
    """What of a configuration a run would refuse, and what it would use.

    Args:
      given: the YAML file, and what changes its keys, see `config_file.load`.

    Returns:
      `problems` (of the configuration), and where it can be read `source_problems`, `source_bytes` and
      the keys that the checks need.
    """
    from components.ingest.layout import look
    from pipeline.config_checks import missing_files
    from pipeline.config_file import load
    from pipeline.gate_checks import unknown_slices

    try:
        config = load(*given, local_files=False)
    except SluiceError as error:
        return {"problems": error.problems or [str(error)]}
    # Whether push.to can be written is really tried, by the parent.
    problems = [problem for problem in missing_files(config) if not problem.startswith("push.to:")]
    found: dict[str, Any] = {
        "source_problems": [problem for problem in problems if problem.startswith("data.source:")],
        "source_bytes": 0,
        "root": f"{config.run.root.rstrip('/')}/{config.name}",
        "push_base": config.push_base,
        "beam_args": config.run.beam_args,
        "docker": config.servability.tf_serving_image is not None,
    }
    found["problems"] = [problem for problem in problems if problem not in found["source_problems"]]
    if found["source_problems"]:
        return found
    try:
        layout = look(config)
        found["source_bytes"] = layout.source_bytes
        found["problems"] += unknown_slices(config, layout.kinds, layout.columns)
    except SluiceError as error:
        found["source_problems"] = [error.summary, *error.problems]
    except OSError as error:
        found["source_problems"] = [f"{error.filename}: {error.strerror}"]
    return found
