"""Finds sequences with the same or nearly the same content. Measures only."""

import numpy as np
import numpy.typing as npt

from components.auditor.lists import Ints, Mask
from components.auditor.tables import Table
from components.auditor.tally import SHOWN, Tally

ACROSS, ACROSS_BY_CHANCE, WITHIN, CONFLICTING = "across", "across by chance", "within", "conflicting"
NEAR_ACROSS = "near across"
# A duplicate proves nothing where so many would be expected among unrelated sequences.
_EXPECTED_BY_CHANCE = 1e-3
_COMMON = 3  # training sequences with one content, from which on it is what the data is like
_COMPARED, _AGREEING = 8, 12  # training sequences that one is held against; minima of 16 that must agree


def proof_bits(train: int, evaluated: int) -> float:
    """Bits that two sequences must share so that no pair of the splits is expected to by chance.

    With N · M pairs, each equal with probability 2^-bits, fewer than 0.001 are expected from
    log2(N · M) + 10 bits on.
    """
    return float(np.log2(max(1, train)) + np.log2(max(1, evaluated)) - np.log2(_EXPECTED_BY_CHANCE))


def exact(table: Table, needed_bits: float, *, has_label: bool) -> Tally:
    """Counts sequences with the same content.

    Args:
      table: `content` of whole groups of equal keys, in the order of the records.
      needed_bits: from which on two equal ones are no chance.
      has_label: whether labels can contradict each other.
    """
    tally = Tally()
    group, evaluated, refs = _groups(table["key"]), table["evaluated"], table["ref"]
    in_train, in_eval = _any(group, ~evaluated), _any(group, evaluated)
    across = (in_train & in_eval)[group] & evaluated
    common = np.bincount(group, ~evaluated) >= _COMMON
    proven = (table["bits"] >= needed_bits) & ~common[group]
    tally.note(ACROSS, "eval", "", across & proven, refs)
    tally.note(ACROSS_BY_CHANCE, "eval", "", across & ~proven, refs)
    for split, side in (("train", ~evaluated), ("eval", evaluated)):
        rows = np.flatnonzero(side)
        again = np.ones(len(rows), bool)
        again[np.unique(group[rows], return_index=True)[1]] = False
        tally.note(WITHIN, split, "", again, refs[rows])
    if has_label:
        _conflicting(table, group, tally)
    return tally


def _conflicting(table: Table, group: Ints, tally: Tally) -> None:
    label = table["label"]
    labelled = label != 0
    groups = int(group.max(initial=-1)) + 1
    low, high = np.full(groups, np.iinfo(np.uint64).max, np.uint64), np.zeros(groups, np.uint64)
    np.minimum.at(low, group[labelled], label[labelled])
    np.maximum.at(high, group[labelled], label[labelled])
    differs = (low < high)[group] & labelled
    for split, side in (("train", ~table["evaluated"]), ("eval", table["evaluated"])):
        tally.note(CONFLICTING, split, "", differs & side, table["ref"])


def near(table: Table, needed_bits: float) -> dict[str, list[int]]:
    """Finds sequences of the evaluation split that are nearly the same as a training sequence.

    Each is held against the first 8 training sequences with its key; 12 of 16 minima must agree.

    Args:
      table: `near` of whole groups of equal keys, in the order of the records.
      needed_bits: below which a sequence tells too little to be told from others.

    Returns:
      `near`: references of those that have such a training sequence with another content;
      `same`: of those that met an equal one.
    """
    telling = table["bits"] >= needed_bits
    table = {name: values[telling] for name, values in table.items()}
    group, evaluated = _groups(table["key"]), table["evaluated"]
    asked = np.flatnonzero(evaluated & _any(group, ~evaluated)[group])
    like, same = np.zeros(len(asked), bool), np.zeros(len(asked), bool)
    train = np.flatnonzero(~evaluated)
    train = train[np.argsort(group[train], kind="stable")]
    begin = np.searchsorted(group[train], group[asked])
    for place in range(_COMPARED):
        at = np.minimum(begin + place, len(train) - 1)
        met = group[train[at]] == group[asked] if len(train) else same
        agree = (table["signature"][asked] == table["signature"][train[at]]).sum(axis=1) >= _AGREEING
        equal = table["content"][asked] == table["content"][train[at]]
        like |= met & agree & ~equal
        same |= met & equal
    return {
        name: np.unique(table["ref"][asked[at]]).tolist() for name, at in (("near", like), ("same", same))
    }


def near_tally(found: list[dict[str, list[int]]]) -> Tally:
    """Near-duplicates of all parts, without those that are exact ones."""
    tally = Tally()
    near_refs = np.unique(
        np.concatenate([np.asarray(one["near"], np.int64) for one in found] or [np.zeros(0, np.int64)])
    )
    same = np.unique(
        np.concatenate([np.asarray(one["same"], np.int64) for one in found] or [np.zeros(0, np.int64)])
    )
    only = np.setdiff1d(near_refs, same)
    if len(only):
        tally.note_refs(NEAR_ACROSS, "eval", "", len(only), only[:SHOWN].tolist())
    return tally


def _groups(keys: npt.NDArray[np.uint64]) -> Ints:
    """The number of the group of equal keys that each row is in."""
    found: Ints = np.unique(keys, return_inverse=True)[1].reshape(-1)
    return found


def _any(group: Ints, of: Mask) -> Mask:
    """Whether any row of each group is marked, [groups]."""
    return np.bincount(group, of, minlength=int(group.max(initial=-1)) + 1) > 0
