"""The kit's tables, as Markdown."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.leaks.clean import SETS
from benchmarks.leaks.judge import Judgement
from benchmarks.leaks.planted import PLANTINGS
from benchmarks.leaks.trials import Outcome

Clean = Mapping[str, Outcome]


def report(outcomes: Sequence[Outcome]) -> str:
    """False alarms, detection per check and strength, what else was reported, and the comparison."""
    clean = {one.trial.data_set: one for one in outcomes if one.trial.planting is None}
    planted = [one for one in outcomes if one.trial.planting is not None and not one.does_not_apply]
    parts = [
        ("Clean data", _clean(clean)),
        ("Detection", _detection(planted, clean)),
        ("Obvious defects not found", _missed(planted, clean)),
        ("Other checks that turned into an error", _others(planted, clean)),
        ("Broken", _broken(outcomes)),
        ("Comparison", _comparison(planted, clean)),
    ]
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in parts if text)


def detected(one: Outcome, clean: Clean) -> bool:
    """Whether Sluice reports the defect under its own name, the obvious one at least as expected."""
    planting = one.trial.what
    severity = one.judgement.severity_of(one.names, clean[one.trial.data_set].judgement)
    obvious = one.trial.strength == planting.ends[1]
    return severity == "error" if obvious and planting.severity == "error" else bool(severity)


def _clean(clean: Clean) -> str:
    rows = []
    for name, one in clean.items():
        found = [_alarms(one.judgement, severity) for severity in ("error", "warning")]
        rows.append([name, SETS[name].what, f"{one.sequences[0]:,} / {one.sequences[1]:,}", *found])
    return _table(["data set", "is", "sequences train / eval", "errors", "warnings"], rows)


def _alarms(judgement: Judgement, severity: str) -> str:
    found = [
        f"{check} ({' '.join(part for part in (split, feature) if part)}: {count:,})"
        for check, level, split, feature, count, _ in judgement.findings
        if level == severity
    ]
    return ", ".join(sorted(found)) or "none"


def _groups(planted: Iterable[Outcome]) -> dict[int, dict[str, list[Outcome]]]:
    """Outcomes by planting and strength, in the order of the table of plantings."""
    found: dict[int, dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for one in planted:
        found[one.trial.planting or 0][one.trial.strength].append(one)
    return {number: found[number] for number in range(len(PLANTINGS)) if number in found}


def _detection(planted: Sequence[Outcome], clean: Clean) -> str:
    rows = []
    for number, by_strength in _groups(planted).items():
        planting = PLANTINGS[number]
        order = [strength for strength in planting.strengths if strength in by_strength]
        hits = {strength: [detected(one, clean) for one in by_strength[strength]] for strength in order}
        rates = [f"{strength}: {sum(found)}/{len(found)}" for strength, found in hits.items()]
        always: list[str] = []
        for strength in reversed(order):
            if not all(hits[strength]):
                break
            always.append(strength)
        sets = dict.fromkeys(one.trial.data_set for found in by_strength.values() for one in found)
        rows.append(
            [
                planting.check,
                planting.how,
                str(len(sets)),
                " · ".join(rates),
                planting.severity,
                always[-1] if always else "**none**",
            ]
        )
    header = [
        "check",
        "planted",
        "data sets",
        "strength: found / planted",
        "expected",
        "smallest always found",
    ]
    return _table(header, rows)


def _missed(planted: Sequence[Outcome], clean: Clean) -> str:
    """Obvious defects that were not found, by data set."""
    lines = []
    for number, by_strength in _groups(planted).items():
        found = by_strength.get(PLANTINGS[number].ends[1], [])
        total = Counter(one.trial.data_set for one in found)
        missed = [one for one in found if not detected(one, clean)]
        places = Counter((one.trial.data_set, _instead(one, clean)) for one in missed)
        words = [f"{name} {count} of {total[name]}{why}" for (name, why), count in places.items()]
        if words:
            lines.append(f"- {PLANTINGS[number].name}, {PLANTINGS[number].ends[1]}: {', '.join(words)}")
    return "\n".join(lines) or "none"


def _instead(one: Outcome, clean: Clean) -> str:
    before = clean[one.trial.data_set].judgement
    if one.judgement.failure:
        return " (raised)"
    if one.trial.what.check in one.judgement.not_run:
        return " (not run)"
    severity = one.judgement.severity_of(one.names, before)
    others = sorted(one.judgement.errors - before.errors - set(one.names))
    words = [*([f"as {severity}"] if severity else []), *([f"but {' '.join(others)}"] if others else [])]
    return f" ({', '.join(words)})" if words else ""


def _others(planted: Sequence[Outcome], clean: Clean) -> str:
    """Errors of other checks: those that state the same fact, and those that must not be."""
    same, wrong = [], []
    for number, by_strength in _groups(planted).items():
        planting = PLANTINGS[number]
        counts: Counter[tuple[str, str, str]] = Counter()
        for one in (one for found in by_strength.values() for one in found):
            new = one.judgement.errors - clean[one.trial.data_set].judgement.errors - set(one.names)
            counts.update((check, one.trial.data_set, one.trial.strength) for check in new)
        for check in sorted({check for check, _, _ in counts}):
            where = [
                f"{name} {strength} ×{n}" for (other, name, strength), n in counts.items() if other == check
            ]
            line = f"- {planting.name}: {check} ({', '.join(where)})"
            if check in planting.also:
                same.append(
                    f"{planting.name}: {check} ×{sum(counts[key] for key in counts if key[0] == check)}"
                )
            else:
                wrong.append(line)
    words = ["\n".join(wrong) or "none"]
    if same:
        words.append("Errors that state the same fact under another name: " + "; ".join(same) + ".")
    return "\n\n".join(words)


def _broken(outcomes: Sequence[Outcome]) -> str:
    broken = [one for one in outcomes if one.judgement.failure]
    lines = [
        f"- {one.trial.data_set}, {one.trial.what.name if one.trial.planting is not None else 'clean'}, "
        f"{one.trial.strength}, seed {one.trial.seed}: {one.judgement.failure}"
        for one in broken
    ]
    return "\n".join(lines)


def _comparison(planted: Sequence[Outcome], clean: Clean) -> str:
    asked = [one for one in planted if one.deepchecks is not None]
    if not asked:
        return ""
    rows, totals = [], [0, 0, 0, 0]
    for number, by_strength in _groups(asked).items():
        planting = PLANTINGS[number]
        smallest, obvious = (by_strength.get(strength, []) for strength in planting.ends)
        row = [planting.check, planting.how]
        for strength, found in zip(reversed(planting.ends), (obvious, smallest), strict=True):
            row += [strength, *(f"{hits}/{len(found)}" for hits in _hits(found, clean))]
        rows.append([*row, _names_in_deepchecks(obvious, clean)])
        counts = [len(obvious), *_hits(obvious, clean)]
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
    header = ["check", "planted", "obvious", "Sluice", "TFDV", "deepchecks"]
    header += ["smallest", "Sluice", "TFDV", "deepchecks", "deepchecks finds the obvious one by"]
    summary = "Of {} obvious defects Sluice finds {}, TFDV {}, deepchecks {}.".format(*totals)
    return "\n\n".join([_table(header, rows), summary, _clean_of_others(clean)])


def _hits(found: Sequence[Outcome], clean: Clean) -> list[int]:
    """How many Sluice, TFDV and deepchecks find."""
    each = [_by_three(one, clean) for one in found]
    return [sum(one[tool] for one in each) for tool in range(3)]


def _names_in_deepchecks(found: Sequence[Outcome], clean: Clean) -> str:
    names = {name.partition(":")[0] for one in found for name in _new_conditions(one, clean)}
    return ", ".join(sorted(names))


def _new_conditions(one: Outcome, clean: Clean) -> set[str]:
    return set(one.deepchecks or ()) - set(clean[one.trial.data_set].deepchecks or ())


def _by_three(one: Outcome, clean: Clean) -> tuple[bool, bool, bool]:
    before = clean[one.trial.data_set]
    new_anomalies = set(one.judgement.anomalies) - set(before.judgement.anomalies)
    return detected(one, clean), bool(new_anomalies), bool(_new_conditions(one, clean))


def _clean_of_others(clean: Clean) -> str:
    rows = []
    for name, one in clean.items():
        if one.deepchecks is not None:
            anomalies = (
                ", ".join(f"{feature}: {kind}" for _, feature, kind in one.judgement.anomalies) or "none"
            )
            rows.append([name, anomalies, "; ".join(one.deepchecks) or "none"])
    return _table(["clean data set", "anomalies of TFDV", "failed conditions of deepchecks"], rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
