# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What the HTML page shows of a sweep: which parameters mattered, the trials in their order, and a table of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surface_classifier.report.figures import (
    Picture,
    importance_picture,
    slice_picture,
    trials_picture,
)

SLICED_PARAMETERS = 3  # the most important ones are drawn one by one
LISTED_TRIALS = 20  # the best ones; the others are folded away

_HOLDOUT_ROWS = {'best': 'best recipe', 'recipe': 'recipe it began with', 'trees': 'extra trees on quantile bins'}


@dataclass(frozen=True)
class TrialRow:
    """One trial of a sweep: its number, score, state, parameters as texts, and whether it is the best."""

    number: int
    score: str
    state: str
    params: tuple[str, ...]
    best: bool


@dataclass(frozen=True)
class HoldoutRow:
    """What one recipe reaches in the search and on the recordings that the search did not see, as texts."""

    name: str
    search: str
    held_out: str


@dataclass(frozen=True)
class SweepPart:
    """A sweep as the page shows it.

    Attributes:
        headline: The result in one sentence.
        notes: How trials were scored, what each got, and what else to know.
        pictures: Importances, trials in order, and the score by the most important parameters.
        best: The best parameters: name and value.
        holdout: Scores on unseen recordings; empty where none were kept out.
        params: Names of the parameters, the columns of the table.
        trials: The best trials, best first.
        more_trials: The others, those without a score last.
    """

    headline: str
    notes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    best: tuple[tuple[str, str], ...]
    holdout: tuple[HoldoutRow, ...]
    params: tuple[str, ...]
    trials: tuple[TrialRow, ...]
    more_trials: tuple[TrialRow, ...]


def sweep_part(result: Mapping[str, Any]) -> SweepPart:
    """Turns the result of `surface sweep` into what the page shows.

    Args:
        result: What `surface sweep --json` holds: `study`, `trials`, `importances`, `best`; and `protocol`, `budget`,
            `notes` and `holdout` where they are there. A score is a balanced accuracy: larger is better.

    Raises:
        KeyError: Something is missing in the result.
        ValueError: A number in it cannot be read, or the best trial is not the best.
        TypeError: Something in it is of another type.
    """
    trials = sorted(result['trials'], key=lambda trial: int(trial['number']))
    done = [trial for trial in trials if trial['value'] is not None]
    scores = [float(trial['value']) for trial in done]
    best = float(result['best']['value'])
    if not scores or best != max(scores):
        raise ValueError(f'the best score, {best:g}, is not the highest of the trials')
    importances = {name: float(share) for name, share in result['importances'].items()}
    by_importance = sorted(importances, key=lambda name: (-importances[name], name))
    mattered = f'; {by_importance[0].replace("_", " ")} mattered most' if by_importance else ''
    names = sorted({name for trial in trials for name in trial['params']})
    rows = [
        _trial_row(trial, names, best=int(trial['number']) == int(result['best']['number']))
        for trial in sorted(trials, key=lambda trial: -math.inf if trial['value'] is None else float(trial['value']))[
            ::-1
        ]
    ]
    notes = [str(result[key]) for key in ('protocol', 'budget') if key in result] + list(result.get('notes', ()))
    return SweepPart(
        headline=(
            f'The best of {len(done)} complete trials reaches a balanced accuracy of {best:.3f} in the '
            f'search{mattered}.'
        ),
        notes=tuple(f'{note[:1].upper()}{note[1:]}.' for note in notes),
        pictures=(
            *((importance_picture(importances),) if any(importances.values()) else ()),
            trials_picture(
                [int(trial['number']) for trial in done], scores, np.maximum.accumulate(scores).tolist(), best
            ),
            *_slices(done, by_importance[:SLICED_PARAMETERS], best),
        ),
        best=tuple((name, _text(value)) for name, value in result['best']['params'].items()),
        holdout=tuple(_holdout_rows(result.get('holdout') or {})),
        params=tuple(names),
        trials=tuple(rows[:LISTED_TRIALS]),
        more_trials=tuple(rows[LISTED_TRIALS:]),
    )


def _slices(done: Sequence[Mapping[str, Any]], names: Sequence[str], best: float) -> Iterable[Picture]:
    for name in names:
        # A parameter may be there in some trials only, such as one of an optimiser that others do not use.
        with_it = [trial for trial in done if trial['params'].get(name) is not None]
        if with_it:
            settings = [trial['params'][name] for trial in with_it]
            yield slice_picture(name, settings, [float(trial['value']) for trial in with_it], best)


def _holdout_rows(holdout: Mapping[str, Any]) -> Iterable[HoldoutRow]:
    for key, name in _HOLDOUT_ROWS.items():
        if key in holdout:
            held_out = [float(score) for score in holdout[key]['held_out']]
            spread = f' ({min(held_out):.3f} to {max(held_out):.3f})' if len(held_out) > 1 else ''
            yield HoldoutRow(name, f'{float(holdout[key]["search"]):.3f}', f'{np.mean(held_out):.3f}{spread}')


def _trial_row(trial: Mapping[str, Any], names: Sequence[str], *, best: bool) -> TrialRow:
    score = trial['value']
    return TrialRow(
        number=int(trial['number']),
        score='–' if score is None else f'{float(score):.3f}',
        state=str(trial['state']).lower(),
        params=tuple(_text(trial['params'].get(name)) for name in names),
        best=best,
    )


def _text(value: Any) -> str:
    if value is None:
        return '–'
    if isinstance(value, float):
        return f'{value:.3g}'
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
