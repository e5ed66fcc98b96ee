"""The Beam pipeline of Ingest: files to shards of tf.Examples, the same on every runner."""

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindows

from components import complete_file
from components.ingest import examples, splits, steps
from components.ingest.ahead import ahead
from components.ingest.arrow_bytes import pack, unpack
from components.ingest.layout import READERS, Layout
from components.ingest.problems import Report, one_line
from components.ingest.sequences import Examples, Sequences, group
from pipeline.errors import DataRefused

SPLITS = ("train", "eval")
_SHARD_BYTES = 64 << 20  # of the source
_WRITERS = 4  # shards written side by side
_REPORT, _MOMENTS = "report", "moments"


def shards_of(layout: Layout) -> int:
    """Number of files in each split: of the size of the source alone, so that no worker changes it."""
    return 1 if layout.config.one_series else max(1, layout.source_bytes // _SHARD_BYTES)


class WriteExamples(beam.PTransform):
    """Reads a source and writes its splits.

    Steps travel as Arrow batches, divided by a hash of their sequence: every shard has whole
    sequences.

    Args:
      layout: the source.
      folder: where `Split-train` and `Split-eval` are written.
      outcome: the file that gets the reports and counts of all parts, one JSON object.
    """

    def __init__(self, layout: Layout, folder: str, outcome: str) -> None:
        super().__init__()
        self._layout, self._folder, self._outcome = layout, folder, outcome

    def expand(self, begin: Any) -> Any:
        """Builds the pipeline."""
        layout, shards = self._layout, shards_of(self._layout)
        read = (
            begin
            | "files" >> beam.Create(list(range(len(layout.files))))
            | "one worker a file" >> beam.Reshuffle()
            | "read" >> beam.ParDo(_Read(layout, shards)).with_outputs(_REPORT, _MOMENTS, main="steps")
        )
        cutoff = beam.pvalue.AsSingleton(
            read[_MOMENTS] | "cutoff" >> beam.CombineGlobally(_Cutoff(layout))
            if splits.needs_moments(layout)
            else begin | "configured cutoff" >> beam.Create([splits.configured_cutoff(layout)])
        )
        nothing = pack(steps.empty(layout))
        every_shard = begin | "every shard" >> beam.Create([(shard, nothing) for shard in range(shards)])
        written = (
            (read["steps"], every_shard)
            | "with empty shards" >> beam.Flatten()
            | "by shard" >> beam.GroupByKey()
            | "write"
            >> beam.ParDo(_Write(layout, self._folder, shards), cutoff).with_outputs(_REPORT, main="counts")
        )
        reports = (read[_REPORT], written[_REPORT]) | "reports" >> beam.Flatten()
        collect = beam.combiners.ToListCombineFn()
        every_report = beam.pvalue.AsSingleton(reports | "all reports" >> beam.CombineGlobally(collect))
        counts = written["counts"] | "all counts" >> beam.CombineGlobally(collect)
        return counts | "save" >> beam.Map(_save, self._outcome, every_report, cutoff)


class _Read(beam.DoFn):
    """From the number of a file to (shard, packed steps); a report, and what the cutoff is found among."""

    def __init__(self, layout: Layout, shards: int) -> None:
        self._layout, self._shards = layout, shards

    def process(self, number: int) -> Iterator[Any]:
        report = Report()
        try:
            for batch in ahead(self._batches(number, report)):
                if splits.needs_moments(self._layout):
                    yield beam.pvalue.TaggedOutput(_MOMENTS, splits.moments_of(batch, self._layout))
                for shard, part in steps.by_shard(batch, self._shards):
                    yield shard, pack(part)
        except DataRefused as refused:
            report.note_fatal(one_line(refused))
        yield beam.pvalue.TaggedOutput(_REPORT, report.as_json())

    def _batches(self, number: int, report: Report) -> Iterator[pa.RecordBatch]:
        file, reader = self._layout.files[number], READERS[str(self._layout.config.format)]
        for piece in ahead(reader.read(file.path, file.name, self._layout.data)):
            yield steps.to_steps(piece, number, self._layout, report)


class _Cutoff(beam.CombineFn):
    """The moment at which the evaluation split begins, found among all moments."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def create_accumulator(self) -> list[splits.Moments]:
        return []

    def add_input(self, accumulator: list[splits.Moments], moments: splits.Moments) -> list[splits.Moments]:
        return [*accumulator, moments]

    def merge_accumulators(self, accumulators: Iterable[list[splits.Moments]]) -> list[splits.Moments]:
        return [moments for accumulator in accumulators for moments in accumulator]

    def extract_output(self, accumulator: list[splits.Moments]) -> Any:
        return splits.cutoff_of(accumulator, self._layout)


class _Write(beam.DoFn):
    """Groups the steps of shards, assigns their sequences and writes them; gives what it wrote.

    The shards of a bundle are written side by side: most of the time goes into compression, which
    runs outside Python's lock.
    """

    def __init__(self, layout: Layout, folder: str, shards: int) -> None:
        self._layout, self._folder, self._shards = layout, folder, shards

    def start_bundle(self) -> None:
        self._threads = ThreadPoolExecutor(min(_WRITERS, os.cpu_count() or 1))
        self._written: list[Future[tuple[Report, dict[str, Any]]]] = []

    def process(self, shard: tuple[int, Iterable[bytes]], cutoff: Any) -> Iterator[Any]:
        number, packed = shard
        self._written.append(self._threads.submit(self._write, number, list(packed), cutoff))
        return iter(())

    def finish_bundle(self) -> Iterator[Any]:
        with self._threads:
            for written in self._written:
                report, counts = written.result()
                yield beam.pvalue.TaggedOutput(_REPORT, GlobalWindows.windowed_value(report.as_json()))
                yield GlobalWindows.windowed_value(counts)

    def _write(self, number: int, packed: list[bytes], cutoff: Any) -> tuple[Report, dict[str, Any]]:
        report = Report()
        sequences = group([unpack(part) for part in packed], self._layout, report)
        found, too_short = splits.candidates(sequences, self._layout)
        assignment = splits.assign(found, sequences, self._layout, cutoff)
        counts: dict[str, Any] = {"left_out": {**too_short, **assignment.left_out}, "splits": {}}
        for name, mask in zip(SPLITS, (assignment.train, assignment.eval), strict=True):
            part = found.take(mask)
            folder = f"{self._folder.rstrip('/')}/Split-{name}"
            examples.write(part, sequences, self._layout, folder, number, self._shards)
            counts["splits"][name] = _summary(part, sequences)
        return report, counts


def _summary(chosen: Examples, sequences: Sequences) -> dict[str, Any]:
    """How many examples and steps, and the first and the last of their times."""
    summary: dict[str, Any] = {"sequences": len(chosen), "steps": int(chosen.length.sum())}
    if len(chosen) and steps.TIME in sequences.steps.column_names:
        times = sequences.array(steps.TIME)
        summary["first_time"] = times[chosen.start].min().item()
        summary["last_time"] = times[chosen.label].max().item()  # with the label's
    return summary


def _save(counts: list[dict[str, Any]], path: str, reports: list[dict[str, Any]], cutoff: Any) -> str:
    complete_file.write(path, json.dumps({"counts": counts, "reports": reports, "cutoff": cutoff}))
    return path
