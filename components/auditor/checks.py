"""The checks by their names, which are stable: configurations and alerts refer to them."""

from dataclasses import dataclass

ERROR, WARNING, OFF = "error", "warning", "off"


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
      name: as in `audit.severity`.
      leakage: whether it looks for a leak; otherwise for shape and integrity.
      fix: what to do about a finding.
    """

    name: str
    leakage: bool
    fix: str


def _shape(name: str, fix: str) -> Check:
    return Check(name, leakage=False, fix=fix)


def _leak(name: str, fix: str) -> Check:
    return Check(name, leakage=True, fix=fix)


_ALL = (
    _shape("unreadable-record", "write the file again; what stands behind the damage cannot be read"),
    _shape("missing-feature", "write the feature into every Example, or take it out of the schema"),
    _shape("unexpected-feature", "leave the feature out (data.ignore), or add it to the schema"),
    _shape("wrong-type", "write the feature with the type of the schema in every Example"),
    _shape("length-mismatch", "give every feature of a sequence one value a step; NaN where one is missing"),
    _shape("empty-sequence", "leave out sequences without steps"),
    _shape("all-padding", "leave these sequences out, or find out why they hold no values"),
    _shape("interior-padding", "end each sequence at its last real step; do not pad the source"),
    _shape("too-long", "raise data.max_length, or make sure that the steps cut off do not matter"),
    _shape("non-finite", "replace infinite values; fill missing ones where you know how"),
    _shape("label-missing", "leave out sequences without a label, or find their labels"),
    _shape("label-domain", "give both splits sequences of every class, or leave the class out"),
    _shape("token-out-of-range", "add the values to the schema's domain, or correct them"),
    _shape("time-not-increasing", "order the steps of each sequence by time"),
    _shape("duplicate-timestamp", "keep one of the steps at the same time, or give them times that differ"),
    _shape("constant-feature", "leave the feature out (data.ignore): it tells nothing"),
    _shape("split-too-small", "give more sequences, or change split.eval_fraction"),
    _shape("schema-anomaly", "correct the data, or review the schema and give it as `schema:`"),
    _leak(
        "sequence-in-both-splits",
        "keep all that belongs to one sequence on one side: split.by sequence, with data.sequence_id",
    ),
    _leak("duplicate-across-splits", "keep one copy, or put all copies on one side of the split"),
    _leak("near-duplicate", "look at the pairs; keep one of each, or put both on one side of the split"),
    _leak("duplicate-within-split", "keep one copy of each, or weigh them knowingly"),
    _leak("conflicting-labels", "find out which label is right; no model can learn both"),
    _leak("window-overlap", "split the series first (split.by time or order), then cut windows on each side"),
    _leak("split-not-chronological", "split by time: split.by time, with data.time"),
    _leak("gap-too-small", "leave out more between the splits: split.gap"),
    _leak("feature-after-label", "cut each sequence before its label was known"),
    _leak("label-as-feature", "leave the feature out (data.ignore), unless it is known before the label is"),
    _leak("future-as-feature", "take the feature as it was known at its own step, or leave it out"),
    _leak("id-predicts-label", "do not use the id, or anything made from it, as a feature"),
    _leak("order-predicts-label", "split by time or order with a gap: neighbours must not be on both sides"),
    _leak("length-predicts-label", "find out why the label decides when a sequence ends"),
    _leak("missingness-predicts-label", "find out why the label decides what is missing"),
    _leak("split-drift", "make sure that both splits come from the same source in the same units"),
    _leak("label-drift", "make sure that the shares differ for a reason that production will have, too"),
)  # fmt: skip
CHECKS = {check.name: check for check in _ALL}
