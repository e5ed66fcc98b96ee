"""Puts the report and the model card into a run's folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import jinja2

from pipeline import __version__, output_file
from pipeline.errors import ConfigError
from pipeline.report.card import CARD, card, lost, read, written_by_people
from pipeline.report.comparison import comparison
from pipeline.report.page import page
from pipeline.report.source import RunFiles

REPORT = "report.html"


def write(folder: Path) -> Path:
    """Writes report.html and model_card.md of a run.

    A card that says anything which the new one would not is kept beside it.

    Raises:
      ConfigError: they cannot be written, or a file of the run cannot be read.
    """
    files = RunFiles.read(folder)
    with _of_our_making(folder):
        report, made = page(files), card(files, written_by_people(folder))
    before = read(folder)
    if before is not None and lost(before, made):
        (folder / CARD).rename(_free(folder))
    _put(folder / CARD, made)
    _put(folder / REPORT, report)
    return folder / REPORT


def _free(folder: Path) -> Path:
    """A name for a card that is kept, such as model_card.1.md."""
    names = (folder / f"{Path(CARD).stem}.{number}.md" for number in count(1))
    return next(path for path in names if not path.exists())


def write_comparison(one: Path, other: Path) -> Path:
    """Writes the page of two runs into the folder of the second.

    Raises:
      ConfigError: it cannot be written, or a file of the runs cannot be read.
    """
    files = [RunFiles.read(folder, among=True) for folder in (one, other)]
    with _of_our_making(one, other):
        text = comparison(*files)
    path = other / f"compared-with-{one.name}.html"
    _put(path, text)
    return path


@contextmanager
def _of_our_making(*folders: Path) -> Iterator[None]:
    """Says what is wrong where the files of a run are valid JSON and yet not what Sluice writes."""
    try:
        yield
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        jinja2.UndefinedError,
    ) as error:
        raise ConfigError(
            f"{' or '.join(map(str, folders))}: a file is not what Sluice {__version__} writes "
            f"({type(error).__name__}: {error})",
            ["if nobody changed the files, run the configuration again"],
        ) from error


def _put(path: Path, text: str) -> None:
    with output_file.completed(path, str(path)) as part:
        part.write_text(text, encoding="utf-8", errors="replace")
