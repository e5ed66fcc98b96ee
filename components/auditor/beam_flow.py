"""The Beam pipeline of the auditor: files of Examples to findings, the same on every runner."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components import complete_file
from components.auditor import duplicates, sample, series, shape
from components.auditor.checks import ERROR
from components.auditor.conclude import checks_run, conclude
from components.auditor.contract import BYTES, Contract
from components.auditor.expected import Expected
from components.auditor.findings import Draft
from components.auditor.profile import LOOKED_AT, Profile, profile_of
from components.auditor.records import Batch, Damaged, Source, decode, file_of, read, record_of, serialized
from components.auditor.shape import measure
from components.auditor.tables import CONTENT, EVAL, NEAR, TRAIN, Table, divided, tables, together
from components.auditor.tally import Tally, merge
from components.ingest.arrow_bytes import pack, unpack

_BATCH_BYTES = 8 << 20  # decoded at once
_LOOKED_AT_ONCE = 16_384  # records
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
      deviations: feature to the standard deviation of its values, where the statistics have it.
      severity: check to severity, where the configuration changes it.
      from_tfdv: findings of `schema-anomaly`, see `conclude`.
    """

    files: tuple[Source, ...]
    file_bytes: int
    expected: Expected
    contract: Contract
    deviations: Mapping[str, float] = field(default_factory=dict)
    severity: Mapping[str, str] = field(default_factory=dict)
    from_tfdv: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def parts(self) -> int:
        """How many parts tables are divided into."""
        return max(1, self.file_bytes // _PART_BYTES)


class Findings(beam.PTransform):
    """Audits the Examples and writes the findings to a file, with ids in place of references.

    A first pass over the training files finds out what the features are like. A second one over all
    counts what is misshapen, draws the sample, and makes one row a sequence of what has to meet
    others; these rows are divided by a hash of what they have to share.
    """

    def __init__(self, audit: Audit, path: str) -> None:
        super().__init__()
        self._audit, self._path = audit, path

    def expand(self, begin: Any) -> Any:
        """Builds the pipeline."""
        audit = self._audit
        files = begin | "files" >> beam.Create(list(audit.files)) | "one worker a file" >> beam.Reshuffle()
        profile = beam.pvalue.AsSingleton(
            files
            | "look" >> beam.FlatMap(_look)
            | "some records" >> beam.CombineGlobally(_smallest)
            | "profile" >> beam.Map(_profile, audit)
        )
        parts = files | "examine" >> beam.ParDo(_Examine(audit), profile).with_outputs(
            _TALLY, _SAMPLE, _IDS, main="tables"
        )
        counted = beam.pvalue.AsSingleton(parts[_TALLY] | "all counts" >> beam.CombineGlobally(merge))
        sampled = beam.pvalue.AsSingleton(parts[_SAMPLE] | "all samples" >> beam.CombineGlobally(_joined))
        met = (
            parts["tables"]
            | "what must meet" >> beam.GroupByKey()
            | "meet" >> beam.Map(_meet, audit, counted)
        )
        drafts = (
            begin
            | "once" >> beam.Create([None])
            | "conclude" >> beam.Map(_conclude, audit, profile, counted, sampled, beam.pvalue.AsList(met))
        )
        names = parts[_IDS] | "names" >> beam.FlatMap(_names, beam.pvalue.AsSingleton(drafts))
        return drafts | "write" >> beam.Map(_write, audit, self._path, profile, beam.pvalue.AsList(names))


Looked = tuple[bool, Any, list[bytes]]  # whether of the evaluation split, hashes of records, the records


def _look(source: Source) -> Iterator[Looked]:
    """The records of a file with the smallest hashes."""
    kept: Looked = (source.split == EVAL, np.zeros(0, np.uint64), [])
    try:
        for records in serialized(source, _LOOKED_AT_ONCE):
            found = kept[0], pd.util.hash_array(np.array(records, object), categorize=False), records
            kept = _smallest([kept, found])
    except Damaged:
        pass  # said when it is examined
    yield kept


def _smallest(parts: Iterable[Looked]) -> Looked:
    """The records with the smallest hashes of all parts; those of eval only where there are no others."""
    found = [part for part in parts if part[2]]
    chosen = [part for part in found if not part[0]] or found
    if not chosen:
        return True, np.zeros(0, np.uint64), []
    hashes = np.concatenate([part[1] for part in chosen])
    records = [record for part in chosen for record in part[2]]
    order = np.argsort(hashes, kind="stable")[:LOOKED_AT]
    return chosen[0][0], hashes[order], [records[place] for place in order]


def _profile(looked: Looked, audit: Audit) -> Profile:
    batch = decode(looked[2], 0, EVAL if looked[0] else TRAIN, audit.contract.types)
    return profile_of(batch.columns, audit.expected, audit.contract, audit.deviations)


class _Examine(beam.DoFn):
    """From a file to ((table, part), rows); counts, a sample, and the ids of its records."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def process(self, source: Source, profile: Profile) -> Iterator[Any]:
        audit, tally, kept = self._audit, Tally(), None
        at_once = int(min(65_536, max(64, _BATCH_BYTES // max(1.0, profile.record_bytes))))
        try:
            for batch in read(source, profile.types, at_once):
                tally = merge([tally, measure(batch, audit.expected, audit.contract, profile)])
                if not len(batch):
                    continue
                for name, table in tables(batch, audit.expected, profile):
                    for part, rows in divided(table, audit.parts):
                        yield (name, part), rows
                rows = sample.rows_of(batch, audit.expected, profile)
                kept = rows if kept is None else sample.joined([kept, rows], sample.size(profile))
                yield beam.pvalue.TaggedOutput(_IDS, _ids(batch))
        except Damaged as damage:
            place = (
                f"{source.path.rsplit('/', 1)[-1]}, after {record_of(damage.ref):,} records: {damage.reason}"
            )
            tally.note_refs(shape.UNREADABLE, source.split, "", 1, [damage.ref])
            tally.say(shape.UNREADABLE, source.split, "", [place])
        yield beam.pvalue.TaggedOutput(_TALLY, tally)
        if kept is not None:
            yield beam.pvalue.TaggedOutput(_SAMPLE, (sample.size(profile), pack(kept)))


def _ids(batch: Batch) -> tuple[list[int], Any, Any]:
    """References of a batch, first and last; and of those that have an id, reference and id."""
    column = batch.columns.get("sequence_id")
    span = [int(batch.refs[0]), int(batch.refs[-1])]
    if column is None or column.kind != BYTES or not len(column.values):
        return span, batch.refs[:0], pa.array([], pa.large_binary())
    values, rows = column.firsts()
    return span, batch.refs[rows], values


def _joined(parts: Iterable[tuple[int, bytes]]) -> tuple[int, bytes] | None:
    """The sample of the whole, from those of the parts, each with the sequences it may have."""
    found = [part for part in parts if part is not None]
    if not found:
        return None
    return found[0][0], pack(sample.joined([unpack(packed) for _, packed in found], found[0][0]))


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
    _: None,
    audit: Audit,
    profile: Profile,
    counted: Tally,
    sampled: tuple[int, bytes] | None,
    met: Sequence[Any],
) -> list[Draft]:
    tallies = [counted, *(found for found in met if isinstance(found, Tally))]
    tallies.append(duplicates.near_tally([found for found in met if not isinstance(found, Tally)]))
    return conclude(
        merge(tallies),
        sample.sample_of(unpack(sampled[1]) if sampled else None),
        audit.expected,
        audit.contract,
        profile,
        audit.severity,
        audit.from_tfdv,
    )


def _names(found: tuple[list[int], Any, Any], drafts: list[Draft]) -> Iterator[tuple[int, str]]:
    """The ids of those records of a batch that findings name."""
    (first, last), refs, values = found
    wanted = {ref for draft in drafts for ref in draft.refs if first <= ref <= last}
    if wanted:
        chosen = pc.is_in(pa.array(refs), value_set=pa.array(sorted(wanted)))
        ids = values.filter(chosen).to_pylist()
        for ref, name in zip(pa.array(refs).filter(chosen).to_pylist(), ids, strict=True):
            yield ref, name.decode("utf-8", "replace")


def _write(
    drafts: list[Draft], audit: Audit, path: str, profile: Profile, names: Sequence[tuple[int, str]]
) -> str:
    places = {
        ref: f"{audit.files[file_of(ref)].path.rsplit('/', 1)[-1]}, record {record_of(ref) + 1:,}"
        for draft in drafts
        for ref in draft.refs
    }
    ids = {**places, **dict(names)}
    run, not_run = checks_run(audit.expected, profile.types, audit.severity)
    result = {
        "verdict": "fail" if any(draft.severity == ERROR for draft in drafts) else "pass",
        "checks_run": run,
        "checks_not_run": not_run,
        "findings": [draft.named(ids).as_json() for draft in drafts],
    }
    complete_file.write(path, json.dumps(result, indent=2) + "\n")
    return path
