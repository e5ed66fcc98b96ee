"""Files that a command is told to write: they get their name when they are complete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import ConfigError


@contextmanager
def completed(path: Path, told: str) -> Iterator[Path]:
    """Gives the path to write to; it is renamed on leaving, and removed where something fails.

    Args:
      path: of the file.
      told: what the user called it.

    Raises:
      ConfigError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{told}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):  # such as of a name that is too long
            part.unlink(missing_ok=True)
