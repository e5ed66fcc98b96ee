"""Reads a configuration file: YAML in, `Config` out, every mistake reported at once."""

import copy
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.config import Config, GivenSource, Push, Run, Threshold, Window
from pipeline.config_checks import NO_SOURCE, contradictions, missing_files
from pipeline.errors import ConfigError
from pipeline.words import nearest


class _Loader(yaml.SafeLoader):
    """Safe YAML that also reads 1e-3 as a number and refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        merge = "tag:yaml.org,2002:merge"
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != merge]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def load(path: str | Path, overrides: Sequence[str] = (), *, local_files: bool = True) -> Config:
    """Reads a configuration file.

    Args:
      path: the YAML file; relative paths in it are relative to its folder.
      overrides: `key.path=value`, the value read as YAML; relative paths in them are relative to
        the working directory.
      local_files: also require that sources and schema exist.

    Returns:
      The configuration, with absolute paths.

    Raises:
      ConfigError: with every mistake found.
    """
    path = Path(path)
    raw = _read_yaml(path)
    _fill_in_paths(raw)
    _anchor(raw, path.absolute().parent)
    problems = []
    for override in overrides:
        try:
            _override(raw, override)
        except ValueError as error:
            problems.append(str(error))
    config, found = _validate(raw)
    problems += found
    if config is not None:
        reported = {problem.partition(":")[0] for problem in problems}
        later = [*contradictions(config), *(missing_files(config) if local_files else ())]
        problems += [problem for problem in later if problem.partition(":")[0] not in reported]
    if problems or config is None:
        raise ConfigError(f"{path}: {_count(len(problems), 'mistake')}", problems)
    return config


def changed(config: Config, section: str, key: str, text: str) -> Config:
    """A configuration with one value changed when a run is started, checked as in a file.

    Args:
      config: the configuration.
      section: of the key.
      key: of the value.
      text: the whole value, read as YAML.

    Raises:
      ConfigError: with every mistake found.
    """
    raw = json.loads(config.model_dump_json(exclude_unset=True, by_alias=True))
    try:
        patch = {section: {key: _parse_yaml(text)}}
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        problem = f"{section}.{key}: the value is not valid YAML, got {_shown(text)}"
        raise ConfigError("the run was started with a mistake", [problem]) from error
    _anchor(patch, Path.cwd())
    raw.setdefault(section, {}).update(patch[section])
    found, problems = _validate(raw)
    problems = problems or list(contradictions(found) if found else ())
    if problems or found is None:
        raise ConfigError(f"the run was started with {_count(len(problems), 'mistake')}", problems)
    return found


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        raw = _parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected UTF-8 text ({error.reason})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML", [" ".join(str(error).split())]) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a configuration", [str(error)]) from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys such as name, task and data, got {_shown(raw)}")
    return raw


def _parse_yaml(text: str) -> Any:
    """YAML as what JSON can say: text, numbers, lists, and objects whose keys are text."""
    value = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    plain = json.dumps(value, default=str, ensure_ascii=False)
    plain.encode("utf-8")  # text that is none, such as half of a surrogate pair, ends here
    return json.loads(plain)


_PATH_KEYS = (("data", "source"), ("schema",), ("push", "to"), ("run", "root"), ("run", "artifacts"))


def _fill_in_paths(raw: dict[str, Any]) -> None:
    """Names the folders that have a default, so that they too are relative to the file."""
    for section, key, default in (("push", "to", Push().to), ("run", "root", Run().root)):
        if isinstance(raw.setdefault(section, {}), dict):
            raw[section].setdefault(key, default)


def _anchor(raw: dict[str, Any], folder: Path) -> None:
    """Makes the relative paths of a raw configuration absolute, in place."""
    for keys in _PATH_KEYS:
        parent: Any = raw
        for key in keys[:-1]:
            parent = parent.get(key) if isinstance(parent, dict) else None
        if isinstance(parent, dict) and keys[-1] in parent:
            parent[keys[-1]] = _absolute(parent[keys[-1]], folder)


def _absolute(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return {key: _absolute(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_absolute(item, folder) for item in value]
    if isinstance(value, str) and "://" not in value:
        try:
            # Not resolved: a link keeps its name, which tells the format.
            return os.path.abspath(Path(folder, Path(value).expanduser()))  # noqa: PTH100
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigError("a path cannot be used", [f"{value!r}: {error}"]) from error
    return value


def _override(raw: dict[str, Any], override: str) -> None:
    dotted, equals, text = override.partition("=")
    keys = dotted.split(".")
    if not equals or not all(keys):
        raise ValueError(f"--set {override}: expected key.path=value")
    try:
        value = _parse_yaml(text)
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"--set {override}: the value is not valid YAML") from error
    patch: dict[str, Any] = {}
    parent = patch
    for key in keys[:-1]:
        parent = parent.setdefault(key, {})
    parent[keys[-1]] = value
    _anchor(patch, Path.cwd())
    _merge(raw, patch, f"--set {override}")


def _merge(target: dict[str, Any], patch: dict[str, Any], override: str) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(target.get(key), list):
            raise ValueError(f"{override}: {key} is a list; give the whole of it")
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value, override)
        else:
            target[key] = value


def _validate(raw: dict[str, Any]) -> tuple[Config | None, list[str]]:
    """The configuration and what is wrong with it.

    What is wrong is taken out before a second attempt, so that contradictions between the sound
    parts are found in the same run.
    """
    try:
        return _parse(raw), []
    except ValidationError as error:
        errors = error.errors()
    problems = _problems(raw, errors)
    sound = copy.deepcopy(raw)
    for item in sorted(errors, key=lambda item: [str(part).zfill(9) for part in item["loc"]], reverse=True):
        _prune(sound, item["loc"])  # the last of a list first, so that the others keep their place
    try:
        return _parse(sound), problems
    except ValidationError:
        return None, problems


def _parse(raw: dict[str, Any]) -> Config:
    # JSON is strict about scalars (no text for a number, no 1 for true) and takes lists for tuples.
    return Config.model_validate_json(json.dumps(raw), strict=True)


# What takes the place of a required key that is missing or wrong, so that the rest can be checked.
_STAND_INS: dict[tuple[str, ...], Any] = {
    ("name",): "unnamed",
    ("task",): "multiclass",
    ("data",): {"source": NO_SOURCE},
    ("data", "source"): NO_SOURCE,
}


def _prune(raw: dict[str, Any], location: tuple[int | str, ...]) -> None:
    """Takes the value at a pydantic location out of a raw configuration, in place."""
    path = _in_document(raw, location)
    if path:
        parent: Any = raw
        for part in path[:-1]:
            parent = parent[part]
        del parent[path[-1]]
    for required, stand_in in _STAND_INS.items():
        if location[: len(required)] == required:
            section = raw if len(required) == 1 else raw.setdefault(required[0], {})
            section.setdefault(required[-1], copy.deepcopy(stand_in))


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "finite_number": "a finite number",
}
_BOUNDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


def _problems(raw: dict[str, Any], errors: Sequence[Any]) -> list[str]:
    """What pydantic found, one line a value: the branches of a union are one expectation."""
    expected: dict[tuple[str, str], list[str]] = {}
    problems: dict[str, None] = {}
    for error in errors:
        inner = [other["loc"] for other in errors if len(other["loc"]) > len(error["loc"])]
        if error["type"] == "too_short" and any(loc[: len(error["loc"])] == error["loc"] for loc in inner):
            continue  # it is short only because its items are wrong
        if error["type"] in _EXPECTED:
            key = ".".join(map(str, _in_document(raw, error["loc"])))
            expected.setdefault((key, _shown(error["input"])), []).append(_EXPECTED[error["type"]])
        else:
            problems[_problem(raw, error)] = None
    for (key, got), kinds in expected.items():
        if "a number" in kinds:
            kinds = [kind for kind in kinds if kind != "a whole number"]
        problems[f"{key}: expected {' or '.join(dict.fromkeys(kinds))}, got {got}"] = None
    return list(problems)


def _problem(raw: dict[str, Any], error: Any) -> str:
    location = _in_document(raw, error["loc"])
    key = ".".join(str(part) for part in location)
    kind, context, got = error["type"], error.get("ctx", {}), _shown(error["input"])
    if kind == "extra_forbidden":
        *section, name = location
        return f"{key}: unknown key{nearest(str(name), _keys_at(section))}"
    if kind == "missing":
        return f"{_dotted(error['loc'])}: required, and missing"
    if kind == "literal_error":
        return f"{key}: expected {context['expected']}, got {got}"
    for bound, words in _BOUNDS.items():
        if bound in context:
            return f"{key}: expected {words} {context[bound]}, got {got}"
    if kind == "too_short":
        return f"{key}: expected at least one, got none"
    return f"{key}: {error['msg'].removeprefix('Value error, ')}, got {got}"


def _in_document(raw: Any, location: tuple[int | str, ...]) -> list[int | str]:
    """A pydantic location without the names of union branches, which users never wrote."""
    kept: list[int | str] = []
    for part in location:
        is_key = isinstance(raw, dict) and part in raw
        is_place = isinstance(raw, list) and isinstance(part, int) and part < len(raw)
        if is_key or is_place:
            raw = raw[part]
            kept.append(part)
    return kept


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part not in ("files", "given", "bound"))


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def _keys_at(location: Sequence[int | str]) -> list[str]:
    """The keys the configuration knows at a location."""
    section: Any = Config
    for part in location:
        if part == "thresholds":
            section = Threshold
        elif part == "source":
            section = GivenSource
        elif part == "window":
            section = Window
        elif isinstance(part, str) and part in getattr(section, "model_fields", {}):
            section = section.model_fields[part].annotation
    fields = getattr(section, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]
