"""What tells sequences apart and brings like ones together: content hashes, information, near-duplicate keys.

Exact: a 64-bit hash of all (feature, step, value); two different contents agree with probability 2^-64,
so among a million sequences some pair does with probability 3e-8.

Near: MinHash (Broder 1997, "On the resemblance and containment of documents") of the set of a
sequence's tokens, in bands (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4). A token
is the values of up to three features at one step, rounded to a tenth of each feature's standard
deviation, or a quarter of that of its changes, so that small noise leaves most tokens alone and a
shifted window shares all but its ends; where a step tells too little to be told from others, several
steps in a row; of text, three words in a row. With b bands of r rows two sequences whose token sets
have Jaccard similarity s share a key with probability 1 - (1 - s^r)^b: for 6 bands of 8 rows 0.999 at
s = 0.95, 0.97 at 0.9, 0.67 at 0.8, 0.02 at 0.5. Of those that do, at least 12 of 16 further minima must
agree (one byte of each, Li and König 2010, "b-bit minwise hashing"): of pairs at s = 0.3 one in ten
million is left.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.auditor.contract import BYTES, FLOAT
from components.auditor.lists import Ints, Lists
from components.auditor.profile import Profile
from components.ingest.hashes import Hashes, hash_text

BANDS, ROWS = 6, 8
SIGNATURE = 16  # further minima, one byte each
_NOTHING = np.uint64(0)


def mix(values: npt.NDArray[np.uint64]) -> Hashes:
    """Spreads the bits of 64-bit numbers: the finalizer of SplitMix64 (Steele, Lea, Flood 2014), [N]."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        spread: Hashes = mixed ^ (mixed >> np.uint64(31))
    return spread


def seed_of(name: str) -> np.uint64:
    """A number for a name."""
    number: np.uint64 = np.uint64(hash_text(pa.array([name]))[0])
    return number


def hash_values(feature: Lists) -> Hashes:
    """A hash of each value: of its bits, where -0 is 0 and every NaN the same, [values]."""
    if feature.kind == BYTES:
        return hash_text(feature.values)
    numbers = feature.numbers()
    if feature.kind != FLOAT:
        return mix(numbers.astype(np.int64).view(np.uint64))
    numbers = numbers.astype(np.float32) + np.float32(0)
    bits = numbers.view(np.uint32).astype(np.uint64)
    return mix(np.where(np.isnan(numbers), np.uint64(0x7FC00000), bits))


def sums(values: Hashes, offsets: Ints) -> Hashes:
    """The sum modulo 2^64 of the values of each sequence, [N]."""
    totals = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)])
    with np.errstate(over="ignore"):
        found: Hashes = totals[offsets[1:]] - totals[offsets[:-1]]
    return found


def places(offsets: Ints) -> Ints:
    """The place of each value in its sequence, from 0, [values]."""
    found: Ints = np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))
    return found


def content(features: dict[str, Lists], rows: int) -> Hashes:
    """A hash of the content of each sequence, whatever its id, label and time, [rows]."""
    found = np.zeros(rows, np.uint64)
    with np.errstate(over="ignore"):
        for name in sorted(features):
            feature = features[name]
            at = mix(places(feature.offsets).astype(np.uint64) ^ seed_of(name))
            found += sums(mix(hash_values(feature) ^ at), feature.offsets)
            found += mix(feature.lengths.astype(np.uint64) + seed_of(f"length {name}"))
    return found


def information(features: dict[str, Lists], rows: int, profile: Profile) -> npt.NDArray[np.float64]:
    """Bits by which the content of each sequence differs from others by chance, a cautious estimate, [rows].

    The first value of a feature counts its collision entropy (Rényi's, of order 2) among all values,
    each later one that differs from the one before the collision entropy of such changes; one that
    stays the same counts nothing, so that a flat line tells little however long it is. Text counts a
    bit a character (Shannon 1951 puts printed English between 0.6 and 1.3).
    """
    bits = np.zeros(rows)
    for name, feature in features.items():
        known = profile.features.get(name)
        if known is None:
            continue
        filled = feature.lengths > 0
        bits[filled] += known.first_bits
        if known.is_text:
            characters = np.concatenate([[0], np.cumsum(pc.binary_length(feature.values).to_numpy())])
            bits += np.maximum(
                0, characters[feature.offsets[1:]] - characters[feature.offsets[:-1]] - known.first_bits
            )
        elif len(feature.values):
            changed = changes(feature)
            bits += known.change_bits * feature.per_row(changed)
    return bits


def changes(feature: Lists) -> npt.NDArray[np.bool_]:
    """Which values differ from the one before them in their sequence, [values]."""
    values = hash_values(feature)
    changed = np.ones(len(values), bool)
    changed[1:] = values[1:] != values[:-1]
    changed[feature.offsets[:-1][feature.lengths > 0]] = False
    return changed


@dataclass(frozen=True)
class Tokens:
    """Tokens of N sequences: their hashes, and the sequence each is of."""

    hashes: Hashes
    owners: Ints


def tokens(features: dict[str, Lists], rows: int, profile: Profile) -> Tokens:
    """The tokens of each sequence; features of a group must have equally many values in it."""
    parts = [_word_tokens(features[name]) for name in profile.texts if name in features]
    for group in profile.groups:
        members = [name for name in group.features if name in features]
        if members:
            parts.append(_step_tokens({name: features[name] for name in members}, rows, profile, group.steps))
    if not parts:
        return Tokens(np.zeros(0, np.uint64), np.zeros(0, np.int64))
    return Tokens(
        np.concatenate([part.hashes for part in parts]), np.concatenate([part.owners for part in parts])
    )


def _step_tokens(members: dict[str, Lists], rows: int, profile: Profile, steps: int) -> Tokens:
    first = next(iter(members.values()))
    alike = np.ones(rows, bool)
    for feature in members.values():
        alike &= feature.lengths == first.lengths
    if not alike.all():
        kept = np.flatnonzero(alike)
        taken = _step_tokens({name: f.take(kept) for name, f in members.items()}, len(kept), profile, steps)
        return Tokens(taken.hashes, kept[taken.owners])
    with np.errstate(over="ignore"):
        at_step = np.zeros(len(first.values), np.uint64)
        for name, feature in members.items():
            at_step += mix(_rounded(feature, profile.features[name].grid) ^ seed_of(name))
    return _runs_of(mix(at_step), first.offsets, steps)


def _rounded(feature: Lists, grid: float) -> Hashes:
    if feature.kind == BYTES or grid <= 0:
        return hash_values(feature)
    cells = np.rint(feature.numbers().astype(np.float64) / grid)
    # What no int64 holds is cut to what one does.
    whole = np.nan_to_num(np.clip(cells, -(2.0**62), 2.0**62), nan=2.0**61).astype(np.int64)
    rounded: Hashes = whole.view(np.uint64)
    return rounded


def _runs_of(hashes: Hashes, offsets: Ints, steps: int) -> Tokens:
    """A token for each run of so many steps; of a shorter sequence, one for all of it."""
    owners = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    if steps == 1:
        return Tokens(hashes, owners)
    following = np.repeat(offsets[1:], np.diff(offsets)) - np.arange(len(hashes))
    combined = hashes.copy()
    with np.errstate(over="ignore"):
        for ahead in range(1, steps):
            shifted = np.zeros_like(hashes)
            shifted[: -ahead or None] = hashes[ahead:]
            combined = mix(combined) + np.where(following > ahead, shifted, _NOTHING)
    kept = (following >= steps) | (places(offsets) == 0)
    return Tokens(mix(combined[kept]), owners[kept])


def _word_tokens(feature: Lists) -> Tokens:
    """Tokens of the words of a text, without case, three in a row."""
    texts = pc.utf8_lower(pc.cast(valid_text(feature.values), pa.large_string()))
    words = Lists.of(pc.split_pattern_regex(texts, r"[^\p{L}\p{N}]+"))
    rows = feature.owners
    per_text = _runs_of(hash_text(words.values), words.offsets, 3)
    return Tokens(per_text.hashes, rows[per_text.owners])


def valid_text(values: pa.Array) -> pa.Array:
    """Text; what of it is no UTF-8 becomes a replacement character."""
    try:
        return pc.cast(values, pa.large_string())
    except pa.ArrowInvalid:
        return pa.array([value.decode("utf-8", "replace") for value in values.to_pylist()], pa.large_string())


@dataclass(frozen=True)
class Sketches:
    """What brings like sequences together, and tells how like they are.

    Attributes:
      keys: [N, BANDS]; sequences without tokens have keys that no other has.
      signatures: [N, SIGNATURE] the low byte of further minima.
    """

    keys: Hashes
    signatures: npt.NDArray[np.uint8]


def sketches(found: Tokens, rows: int) -> Sketches:
    """MinHash keys and signatures of sequences."""
    order = np.argsort(found.owners, kind="stable")
    hashes, owners = found.hashes[order], found.owners[order]
    hashes = hashes ^ (hashes >> np.uint64(32))
    filled, starts = np.unique(owners, return_index=True)
    keys = mix(np.arange(rows * BANDS, dtype=np.uint64) ^ seed_of("no tokens")).reshape(rows, BANDS)
    signatures = np.zeros((rows, SIGNATURE), np.uint8)
    if not len(filled):
        return Sketches(keys, signatures)
    with np.errstate(over="ignore"):
        for band in range(BANDS):
            key = np.full(len(filled), band, np.uint64)
            for row in range(ROWS):
                key = mix(key ^ _least(hashes, starts, band * ROWS + row))
            keys[filled, band] = key
        for place in range(SIGNATURE):
            least = mix(_least(hashes, starts, BANDS * ROWS + place))
            signatures[filled, place] = (least & np.uint64(0xFF)).astype(np.uint8)
    return Sketches(keys, signatures)


def _least(hashes: Hashes, starts: Ints, number: int) -> Hashes:
    """The least token of each sequence in the order that one of many permutations gives them."""
    with np.errstate(over="ignore"):
        permuted = hashes * (mix(np.array([number + 1], np.uint64))[0] | np.uint64(1))
        least: Hashes = np.minimum.reduceat(permuted ^ (permuted >> np.uint64(29)), starts)
    return least
