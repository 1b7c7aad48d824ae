# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of the benchmark of `surface diagnose`, from the records of its cases.

A record is one JSON object: `truth` (ids of the injected faults; none: healthy), `runs` (outcomes of trainings, by
name: `case`, `twin`, `fix`, `random`) and `systems` (by name, `surface` and peers: what each said). What is counted:

- A fault is **effective** where its run is worse than its twin's in at least one measure by more than that measure's
  threshold in `HARM_THRESHOLDS`. Cases with an ineffective fault are neither positive nor negative; they are left out.
- **Detection**: share of effective cases with any fault among the verdicts. An abstention (`healthy`, `cannot_tell`, a
  failure) is a miss. **Top-1**: share whose first verdict is an injected fault.
- **Precision** of an id: of the effective and healthy cases in which it is said, the share that hold it. **Recall**: of
  the effective cases that hold it, the share in which it is said. Both with Wilson's interval (1927). Macro: the mean
  over the ids that have effective cases; an id that is never said has the precision 0.
- **False alarms**: share of healthy cases with any fault among the verdicts.
- **Harm** of a run: how much it is worse than the twin, each measure in its thresholds, cut off at 0 and 5, summed.
  **Fix score** of a case: the share of the harm that the first verdict's remedy takes away (1: all; 0: none, as without
  a remedy; -1: as much added), less the share that a random change of the same menu takes away, with a bootstrap
  interval over the data sets (both severities of a fault share one).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Record = Mapping[str, Any]
Outcome = Mapping[str, Any]

HEALTHY = 'healthy'
OURS = 'surface'
# How much worse than its twin a run must be in each measure before its fault counts: about the 99 % quantile of the
# difference between two trainings of one healthy set-up that differ in the seed alone (tuning generators).
HARM_THRESHOLDS: Mapping[str, float] = {
    'rising_share': 0.10,
    'wobble': 0.025,
    'final_loss': 0.10,
    'held_out_loss': 0.10,
    'held_out_nll': 0.50,
    'slowness': 1.0,
    'optimism': 0.18,
}
_LARGEST_HARM = 5.0
_BOOTSTRAPS = 2000
_Z95 = 1.959964


def worse_by(run: Outcome, twin: Outcome) -> dict[str, float]:
    """How much worse a run is than its twin, in each measure; negative: better.

    Returns:
        `rising_share` [1], `wobble` [nat] and `final_loss` [nat] of the training loss; `held_out_loss` (of balanced
        accuracy on fresh windows) [1], `held_out_nll` (cross entropy there) [nat]; `slowness` (epochs to 95 % training
        accuracy, as a share of those planned) [1]; `optimism` (accuracy on the windows held out for early stopping
        above that on fresh ones) [1]. A measure that one of the runs does not have is 0, and where trainings diverged,
        the largest harm in the final loss is added for their share.
    """
    differences = {
        name: _difference(run[name], twin[name]) for name in ('rising_share', 'wobble', 'final_loss', 'held_out_nll')
    }
    differences['final_loss'] += (run['diverged'] - twin['diverged']) * _LARGEST_HARM * HARM_THRESHOLDS['final_loss']
    differences['held_out_loss'] = _difference(twin['held_out'], run['held_out'])
    differences['slowness'] = (run['epochs_to_95'] - twin['epochs_to_95']) / twin['planned_epochs']
    differences['optimism'] = _difference(run['optimism'], twin['optimism'])
    return differences


def harm(run: Outcome, twin: Outcome) -> float:
    """How much worse a run is than its twin, over all measures; 0: not at all [thresholds]."""
    return sum(
        min(max(difference / HARM_THRESHOLDS[name], 0.0), _LARGEST_HARM)
        for name, difference in worse_by(run, twin).items()
    )


def is_effective(record: Record) -> bool:
    """Whether a record's fault changes anything against its twin."""
    differences = worse_by(record['runs']['case'], record['runs']['twin'])
    return bool(record['truth']) and any(differences[name] > limit for name, limit in HARM_THRESHOLDS.items())


def said_by(record: Record, system: str) -> list[str]:
    """Ids of the faults a system named, strongest first; none: it found nothing, was undecided, or failed.

    A peer's finding may fit several ids: then the injected one counts, if it is among them, else the first.
    """
    said: list[str] = []
    for verdict in record['systems'][system].get('verdicts', ()):
        ids = verdict.get('ids') or [verdict['id']]
        said.append(next((name for name in ids if name in record['truth']), ids[0]))
    return [name for name in dict.fromkeys(said) if name != HEALTHY]


@dataclass(frozen=True)
class Share:
    """A share with Wilson's 95 % interval.

    Attributes:
        hits: How many.
        of: Of how many.
        share: hits / of; NaN of none [1].
        low: Lower end [1].
        high: Upper end [1].
    """

    hits: int
    of: int
    share: float
    low: float
    high: float

    @classmethod
    def count(cls, flags: Sequence[bool]) -> Share:
        """Share of the true ones."""
        return cls.from_counts(sum(flags), len(flags))

    @classmethod
    def from_counts(cls, hits: int, of: int) -> Share:
        """Share of a count."""
        if not of:
            return cls(0, 0, math.nan, math.nan, math.nan)
        share = hits / of
        centre = (share + _Z95**2 / (2 * of)) / (1 + _Z95**2 / of)
        half = _Z95 * math.sqrt(share * (1 - share) / of + _Z95**2 / (4 * of**2)) / (1 + _Z95**2 / of)
        return cls(hits, of, share, max(0.0, centre - half), min(1.0, centre + half))


@dataclass(frozen=True)
class Interval:
    """A mean over paired cases with its 95 % bootstrap interval, and the number of cases."""

    mean: float
    low: float
    high: float
    cases: int


@dataclass(frozen=True)
class IdScore:
    """How well one id is named."""

    precision: Share
    recall: Share
    top1: Share
    ineffective: int


@dataclass(frozen=True)
class SystemScore:
    """What one system reached on all cases.

    Attributes:
        detection: See the module.
        top1: See the module.
        false_alarms: See the module.
        abstentions: Share of effective cases in which it named no fault though it ran.
        failures: Cases in which it failed.
        macro_precision: Mean over ids.
        macro_recall: Mean over ids.
        ids: By id.
        confusion: By injected id (single faults and `healthy`), how often which id was said, `nothing` included.
        seconds_median: Time of a diagnosis [s].
        seconds_95: Its 95 % quantile [s].
        by_severity: Detection by severity.
    """

    detection: Share
    top1: Share
    false_alarms: Share
    abstentions: Share
    failures: int
    macro_precision: float
    macro_recall: float
    ids: Mapping[str, IdScore]
    confusion: Mapping[str, Mapping[str, int]]
    seconds_median: float
    seconds_95: float
    by_severity: Mapping[str, Share]


@dataclass(frozen=True)
class Scores:
    """What the benchmark prints.

    Attributes:
        cases: Records.
        effective: Of them with an effective fault.
        ineffective: Of them with a fault that changes nothing.
        healthy: Of them without a fault.
        systems: By name.
        repaired: Share of the harm that the advice takes away.
        repaired_by_chance: Share of the harm that a random change takes away.
        fix_score: Their difference, case by case.
        held_out_gain: Accuracy on fresh windows after the advice, less that after the random change.
        healthy_spread: 99 % quantile of each measure's difference between two trainings of a healthy set-up.
    """

    cases: int
    effective: int
    ineffective: int
    healthy: int
    systems: Mapping[str, SystemScore]
    repaired: Interval
    repaired_by_chance: Interval
    fix_score: Interval
    held_out_gain: Interval
    healthy_spread: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types; NaN becomes None."""
        plain: dict[str, Any] = _without_nan(asdict(self))
        return plain


def score(records: Sequence[Record]) -> Scores:
    """Score the records of a suite."""
    effective = [record for record in records if is_effective(record)]
    healthy = [record for record in records if not record['truth']]
    ineffective = [record for record in records if record['truth'] and not is_effective(record)]
    # A peer that was added later did not see every case.
    names = dict.fromkeys(name for record in records for name in record['systems'])
    fixed = [record for record in effective if 'random' in record['runs']]
    advised, by_chance = _repaired(fixed, 'fix'), _repaired(fixed, 'random')
    groups = [f'{record["generator"]} {record["windows"]} {record["truth"]} {record["number"]}' for record in fixed]
    gains = [
        _number(_run(record, 'fix')['held_out']) - _number(record['runs']['random']['held_out']) for record in fixed
    ]
    return Scores(
        cases=len(records),
        effective=len(effective),
        ineffective=len(ineffective),
        healthy=len(healthy),
        systems={
            name: _score_system(
                name,
                *([r for r in part if name in r['systems']] for part in (effective, healthy, ineffective)),
            )
            for name in names
        },
        repaired=_interval(advised, groups),
        repaired_by_chance=_interval(by_chance, groups),
        fix_score=_interval([a - b for a, b in zip(advised, by_chance, strict=True)], groups),
        held_out_gain=_interval(gains, groups),
        healthy_spread=healthy_spread(healthy),
    )


def healthy_spread(healthy: Sequence[Record], quantile: float = 0.99) -> dict[str, float]:
    """Quantile of each measure's difference between the two trainings of healthy set-ups; either may be the worse."""
    pairs = [(record['runs']['case'], record['runs']['twin']) for record in healthy]
    found = [worse_by(*pair) for pair in pairs] + [worse_by(twin, run) for run, twin in pairs]
    return {
        name: float(np.quantile([differences[name] for differences in found], quantile)) if found else math.nan
        for name in HARM_THRESHOLDS
    }


def _score_system(
    name: str, effective: Sequence[Record], healthy: Sequence[Record], ineffective: Sequence[Record]
) -> SystemScore:
    said = {id(record): said_by(record, name) for record in (*effective, *healthy)}
    counted = [*effective, *healthy]
    ids = {
        fault: _score_id(fault, effective, counted, lambda record: said[id(record)], ineffective)
        for fault in dict.fromkeys(fault for record in (*effective, *ineffective) for fault in record['truth'])
    }
    measured = [entry for entry in ids.values() if entry.recall.of]
    seconds = [record['systems'][name]['seconds'] for record in counted if 'seconds' in record['systems'][name]]
    failed = [record for record in (*counted, *ineffective) if 'error' in record['systems'][name]]
    abstained = [not said[id(record)] and 'error' not in record['systems'][name] for record in effective]
    return SystemScore(
        detection=Share.count([bool(said[id(record)]) for record in effective]),
        top1=Share.count(
            [said[id(record)][:1] != [] and said[id(record)][0] in record['truth'] for record in effective]
        ),
        false_alarms=Share.count([bool(said[id(record)]) for record in healthy]),
        abstentions=Share.count(abstained),
        failures=len(failed),
        macro_precision=_mean([0.0 if not e.precision.of else e.precision.share for e in measured]),
        macro_recall=_mean([e.recall.share for e in measured]),
        ids=ids,
        confusion=_confusion([r for r in counted if len(r['truth']) <= 1], lambda record: said[id(record)]),
        seconds_median=float(np.median(seconds)) if seconds else math.nan,
        seconds_95=float(np.quantile(seconds, 0.95)) if seconds else math.nan,
        by_severity={
            severity: Share.count([bool(said[id(record)]) for record in effective if record['severity'] == severity])
            for severity in dict.fromkeys(record['severity'] for record in effective)
        },
    )


def _score_id(
    fault: str,
    effective: Sequence[Record],
    counted: Sequence[Record],
    said: Callable[[Record], list[str]],
    ineffective: Sequence[Record],
) -> IdScore:
    holding = [record for record in effective if fault in record['truth']]
    return IdScore(
        precision=Share.count([fault in record['truth'] for record in counted if fault in said(record)]),
        recall=Share.count([fault in said(record) for record in holding]),
        top1=Share.count([said(record)[:1] == [fault] for record in holding]),
        ineffective=sum(fault in record['truth'] for record in ineffective),
    )


def _confusion(records: Sequence[Record], said: Callable[[Record], list[str]]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for record in records:
        row = table.setdefault((record['truth'] or [HEALTHY])[0], {})
        for name in said(record) or ['nothing']:
            row[name] = row.get(name, 0) + 1
    return table


def _run(record: Record, name: str) -> Outcome:
    """Outcome of a run; without a remedy the case stays as it is."""
    outcome: Outcome = record['runs'].get(name) or record['runs']['case']
    return outcome


def _repaired(records: Sequence[Record], name: str) -> list[float]:
    shares = []
    for record in records:
        before = harm(record['runs']['case'], record['runs']['twin'])
        after = harm(_run(record, name), record['runs']['twin'])
        shares.append(max(-1.0, (before - after) / before))
    return shares


def _interval(values: Sequence[float], groups: Sequence[str]) -> Interval:
    """Mean and percentile bootstrap over groups of cases that share their data."""
    if not values:
        return Interval(math.nan, math.nan, math.nan, 0)
    of_group: dict[str, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        of_group.setdefault(group, []).append(value)
    sums = np.array([sum(group) for group in of_group.values()])
    counts = np.array([len(group) for group in of_group.values()])
    drawn = np.random.default_rng(0).integers(len(sums), size=(_BOOTSTRAPS, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(np.mean(values)), float(low), float(high), len(values))


def _difference(larger: float | None, smaller: float | None) -> float:
    return 0.0 if larger is None or smaller is None else larger - smaller


def _number(value: float | None) -> float:
    return 0.0 if value is None else value


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
