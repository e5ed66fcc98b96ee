"""Reads a file for the served model: as ingest reads it, but without label, and with no split."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest import sequences, steps
from components.ingest.layout import READERS, Layout, look
from components.ingest.manifest import texts_with_places
from components.ingest.names import argument_name
from components.ingest.problems import SHOWN, Report, with_more
from components.ingest.sequences import Examples, Sequences
from pipeline.config import Config, Split, format_of, source_paths
from pipeline.errors import ConfigError, DataRefused
from pipeline.words import nearest
from serving.request_inputs import KINDS

ID = "sequence_id"


def read(config: Config, source: str, features: Mapping[str, int]) -> tuple[pa.Table, str]:
    """The sequences of a file, or every window of its series where the configuration cuts some.

    Args:
      config: how the file is read, but for its format where the file's name tells another; columns that
        are no feature of the model, such as a label, may be there or not.
      source: the file.
      features: what the model reads: argument name to the number of its DataType.

    Returns:
      A row a sequence: `sequence_id`, and a list a feature; and what was left out, in words.

    Raises:
      ConfigError: there is no such file, or features are not in it.
      DataRefused: cells that cannot be read.
    """
    layout = look(_without_label(config, source, features))
    report = Report()
    reader = READERS[str(layout.config.format)]
    file = layout.files[0]
    parts = [
        steps.to_steps(piece, 0, layout, report) for piece in reader.read(file.path, file.name, layout.data)
    ]
    grouped = sequences.group(
        [*(pa.Table.from_batches([one]) for one in parts), _no_steps(layout)], layout, report
    )
    _refuse(layout, report)
    chosen, left_out = _chosen(config, grouped)
    skipped = f"{report.left_out:,} rows cannot be read" if report.left_out else ""
    return _table(chosen, grouped, layout, windows=config.data.window is not None), "; ".join(
        filter(None, (left_out, skipped))
    )


def _without_label(config: Config, source: str, features: Mapping[str, int]) -> Config:
    kind = _format(config, source)
    data = config.data.model_copy(update={"source": (source,), "format": kind})
    columns = READERS[kind].columns(source, data)
    by_argument = {argument_name(column): column for column in columns}
    if missing := [name for name in features if name not in by_argument]:
        raise ConfigError(
            f"{source}: features of the model are missing",
            [f"{name}{nearest(name, sorted(by_argument))}" for name in sorted(missing)],
        )
    kinds = {by_argument[name]: KINDS[kind] for name, kind in features.items()}
    roles = {"label": None, "label_from": None, "label_time": None, "slices": (), "ignore": ()}
    data = data.model_copy(update={**roles, "features": kinds})
    # The task of which ingest asks no label.
    return config.model_copy(update={"task": "generation", "data": data, "split": Split()})


def _format(config: Config, source: str) -> str:
    """The format that the file's name tells, or that of the configuration, whose files may be named alike."""
    told = format_of(source)
    if told is None or told in map(format_of, source_paths(config.data)):
        return str(config.format)
    return told


def _no_steps(layout: Layout) -> pa.Table:
    return pa.Table.from_batches([steps.empty(layout)])


def _refuse(layout: Layout, report: Report) -> None:
    if not report.fatal_count and (not report.problems or layout.data.on_bad_rows == "skip"):
        return
    texts = [*report.fatal, *texts_with_places(layout, report.shown)][:SHOWN]
    count = report.problems + report.fatal_count
    raise DataRefused(f"places that cannot be used: {count:,}", with_more(texts, count))


def _chosen(config: Config, found: Sequences) -> tuple[Examples, str]:
    window = config.data.window
    if window is None:
        return sequences.whole(found), ""
    chosen = sequences.windows(found, window.length, window.stride, horizon=0)
    short = int((found.lengths < window.length).sum())
    return chosen, f"{short:,} series shorter than a window of {window.length} steps" if short else ""


def _table(chosen: Examples, found: Sequences, layout: Layout, *, windows: bool) -> pa.Table:
    ends = np.cumsum(chosen.length)
    first = np.repeat(chosen.start - (ends - chosen.length), chosen.length)
    places = pa.array(np.arange(len(first)) + first)
    offsets = pa.array(np.concatenate([[0], ends]).astype(np.int32))
    ids = found.steps.column(steps.ID).take(pa.array(chosen.start)).combine_chunks()
    if windows:  # as the Examples of training are named
        start = pc.cast(pa.array(chosen.start - found.starts[chosen.sequence]), pa.string())
        ids = pc.binary_join_element_wise(ids, start, "@")
    columns = {}
    for name in layout.kinds:
        values = found.steps.column(steps.FEATURE + name).take(places).combine_chunks()
        values = values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
        columns[name] = pa.ListArray.from_arrays(offsets, values)
    return pa.table({ID: ids, **columns})
