"""The Beam pipeline of the auditor: files of Examples to findings, the same on every runner."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from components.auditor import duplicates, sample, series, shape
from components.auditor.conclude import conclude
from components.auditor.contract import BYTES, Contract
from components.auditor.expected import Expected
from components.auditor.findings import Draft
from components.auditor.profile import Profile
from components.auditor.records import Batch, Damaged, Source, file_of, read, record_of
from components.auditor.shape import measure
from components.auditor.tables import CONTENT, EVAL, NEAR, TRAIN, Table, divided, tables, together
from components.auditor.tally import Tally, merge
from components.ingest.arrow_bytes import pack, unpack

_BATCH_BYTES = 8 << 20  # decoded at once
_PART_BYTES = 64 << 20  # of the files, for each part of the tables
_TALLY, _SAMPLE, _IDS = "tally", "sample", "ids"


@dataclass(frozen=True)
class Audit:
    """What is audited, and against what.

    Attributes:
      files: of all splits.
      file_bytes: of all files together.
      expected: what the configuration says.
      contract: what the schema says.
      profile: what a first look found.
      severity: check to severity, where the configuration changes it.
      from_tfdv: findings of `schema-anomaly`, see `conclude`.
    """

    files: tuple[Source, ...]
    file_bytes: int
    expected: Expected
    contract: Contract
    profile: Profile
    severity: Mapping[str, str] = field(default_factory=dict)
    from_tfdv: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def parts(self) -> int:
        """How many parts tables are divided into."""
        return max(1, self.file_bytes // _PART_BYTES)

    @property
    def records_at_once(self) -> int:
        """Records of a batch."""
        return int(min(65_536, max(64, _BATCH_BYTES // max(1.0, self.profile.record_bytes))))


class Findings(beam.PTransform):
    """Audits the Examples and writes the findings to a file, with ids in place of references.

    One pass over the files counts what is misshapen, draws the sample, and makes one row a sequence
    of what has to meet others; these rows are divided by a hash of what they have to share.
    """

    def __init__(self, audit: Audit, path: str) -> None:
        super().__init__()
        self._audit, self._path = audit, path

    def expand(self, begin: Any) -> Any:
        """Builds the pipeline."""
        audit = self._audit
        parts = (
            begin
            | "files" >> beam.Create(list(audit.files))
            | "one worker a file" >> beam.Reshuffle()
            | "examine" >> beam.ParDo(_Examine(audit)).with_outputs(_TALLY, _SAMPLE, _IDS, main="tables")
        )
        counted = beam.pvalue.AsSingleton(parts[_TALLY] | "all counts" >> beam.CombineGlobally(merge))
        sampled = beam.pvalue.AsSingleton(
            parts[_SAMPLE] | "all samples" >> beam.CombineGlobally(_Joined(sample.size(audit.profile)))
        )
        met = (
            parts["tables"]
            | "what must meet" >> beam.GroupByKey()
            | "meet" >> beam.Map(_meet, audit, counted)
        )
        drafts = (
            begin
            | "once" >> beam.Create([None])
            | "conclude" >> beam.Map(_conclude, audit, counted, sampled, beam.pvalue.AsList(met))
        )
        names = parts[_IDS] | "names" >> beam.FlatMap(_names, beam.pvalue.AsSingleton(drafts))
        return drafts | "write" >> beam.Map(_write, audit, self._path, beam.pvalue.AsList(names))


class _Examine(beam.DoFn):
    """From a file to ((table, part), rows); counts, a sample, and the ids of its records."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def process(self, source: Source) -> Iterator[Any]:
        audit, tally, kept = self._audit, Tally(), None
        try:
            for batch in read(source, audit.profile.types, audit.records_at_once):
                tally = merge([tally, measure(batch, audit.expected, audit.contract, audit.profile)])
                if not len(batch):
                    continue
                for name, table in tables(batch, audit.expected, audit.profile):
                    for part, rows in divided(table, audit.parts):
                        yield (name, part), rows
                rows = sample.rows_of(batch, audit.expected, audit.profile)
                kept = rows if kept is None else sample.joined([kept, rows], sample.size(audit.profile))
                yield beam.pvalue.TaggedOutput(_IDS, _ids(batch))
        except Damaged as damage:
            place = (
                f"{source.path.rsplit('/', 1)[-1]}, after {record_of(damage.ref):,} records: {damage.reason}"
            )
            tally.note_refs(shape.UNREADABLE, source.split, "", 1, [damage.ref])
            tally.say(shape.UNREADABLE, source.split, "", [place])
        yield beam.pvalue.TaggedOutput(_TALLY, tally)
        if kept is not None:
            yield beam.pvalue.TaggedOutput(_SAMPLE, pack(kept))


def _ids(batch: Batch) -> tuple[list[int], Any, Any]:
    """References of a batch, first and last; and of those that have an id, reference and id."""
    column = batch.columns.get("sequence_id")
    span = [int(batch.refs[0]), int(batch.refs[-1])]
    if column is None or column.kind != BYTES or not len(column.values):
        return span, batch.refs[:0], pa.array([], pa.large_binary())
    values, rows = column.firsts()
    return span, batch.refs[rows], values


class _Joined(beam.CombineFn):
    """The sample of the whole, from those of the parts."""

    def __init__(self, most: int) -> None:
        self._most = most

    def create_accumulator(self) -> list[bytes]:
        return []

    def add_input(self, accumulator: list[bytes], part: bytes) -> list[bytes]:
        return [*accumulator, part]

    def merge_accumulators(self, accumulators: Iterable[list[bytes]]) -> list[bytes]:
        return [part for accumulator in accumulators for part in accumulator]

    def compact(self, accumulator: list[bytes]) -> list[bytes]:
        if len(accumulator) < 2:
            return accumulator
        return [pack(sample.joined([unpack(part) for part in accumulator], self._most))]

    def extract_output(self, accumulator: list[bytes]) -> bytes | None:
        found = self.compact(accumulator)
        return found[0] if found else None


def _meet(part: tuple[tuple[str, int], Iterable[Table]], audit: Audit, counted: Tally) -> Any:
    """What the rows of one part of a table show."""
    (name, _), rows = part
    table = together(rows)
    sizes = [counted.sum(shape.SEQUENCES, split) for split in (TRAIN, EVAL)]
    needed = duplicates.proof_bits(*sizes)
    if name == CONTENT:
        return duplicates.exact(table, needed, has_label=audit.expected.label is not None)
    if name == NEAR:
        return duplicates.near(table, needed)
    return merge([series.look(table, audit.expected), _chronology(table, counted)])


def _chronology(table: Table, counted: Tally) -> Tally:
    keys = [(shape.TIMES, TRAIN, ""), (shape.TIMES, EVAL, "")]
    if not all(key in counted.least for key in keys):
        return Tally()
    return series.chronology(table, counted.most[keys[0]], counted.least[keys[1]])


def _conclude(
    _: None, audit: Audit, counted: Tally, sampled: bytes | None, met: Sequence[Any]
) -> list[Draft]:
    tallies = [counted, *(found for found in met if isinstance(found, Tally))]
    tallies.append(duplicates.near_tally([found for found in met if not isinstance(found, Tally)]))
    return conclude(
        merge(tallies),
        sample.sample_of(unpack(sampled) if sampled else None),
        audit.expected, audit.contract, audit.profile, audit.severity, audit.from_tfdv,
    )  # fmt: skip


def _names(found: tuple[list[int], Any, Any], drafts: list[Draft]) -> Iterator[tuple[int, str]]:
    """The ids of those records of a batch that findings name."""
    (first, last), refs, values = found
    wanted = {ref for draft in drafts for ref in draft.refs if first <= ref <= last}
    if wanted:
        chosen = pc.is_in(pa.array(refs), value_set=pa.array(sorted(wanted)))
        ids = values.filter(chosen).to_pylist()
        for ref, name in zip(pa.array(refs).filter(chosen).to_pylist(), ids, strict=True):
            yield ref, name.decode("utf-8", "replace")


def _write(drafts: list[Draft], audit: Audit, path: str, names: Sequence[tuple[int, str]]) -> str:
    places = {
        ref: f"{audit.files[file_of(ref)].path.rsplit('/', 1)[-1]}, record {record_of(ref) + 1:,}"
        for draft in drafts
        for ref in draft.refs
    }
    ids = {**places, **dict(names)}
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps([draft.named(ids).as_json() for draft in drafts]))
    return path
