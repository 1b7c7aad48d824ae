# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What the HTML page shows of a diagnosis: verdicts with evidence, arms and remedy, open questions, suspects."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from surface_classifier.diagnosis.result import CAUSES, HEALTHY
from surface_classifier.report.figures import (
    UNCHANGED,
    Arm,
    EpochPoint,
    Picture,
    TrainingCurve,
    Values,
    arm_colours,
    arms_picture,
    window_picture,
)

if TYPE_CHECKING:
    from surface_classifier.data.dataset import Dataset

PLOTTED_WINDOWS = 24  # of the suspected ones, the most probable first; the table lists them all
_NANOSECONDS = 1e9


@dataclass(frozen=True)
class ArmRow:
    """One arm in the table of a verdict: what was changed and what came of it; texts, `–` where not measured."""

    name: str
    description: str
    colour: str
    final_loss: str
    accuracy: str


@dataclass(frozen=True)
class VerdictCard:
    """One verdict as the page shows it.

    Attributes:
        id: The cause, for who looks it up.
        title: The cause in plain words.
        strength: 0 to 1.
        healthy: Whether it says that nothing is wrong.
        evidence: One sentence with the number.
        number: Name of the number.
        value: The number with its unit.
        threshold: The threshold with its unit.
        gauge: Length of the number's bar and place of the threshold on it, 0 to 1; None where they cannot be drawn.
        remedy: One sentence.
        diff: Lines of the change to the configuration, each with its sign: ` `, `-` or `+`.
        command: Command that repairs the data; empty where there is none.
        picture: The arms it rests on; None where it rests on none.
        arms: The same arms as a table.
        windows: Windows it speaks of.
    """

    id: str
    title: str
    strength: float
    healthy: bool
    evidence: str
    number: str
    value: str
    threshold: str
    gauge: tuple[float, float] | None
    remedy: str
    diff: tuple[tuple[str, str], ...]
    command: str
    picture: Picture | None
    arms: tuple[ArmRow, ...]
    windows: tuple[int, ...]


@dataclass(frozen=True)
class OpenQuestion:
    """A cause that could not be tested: its name in plain words, what is missing, and what to supply."""

    id: str
    title: str
    why: str
    supply: str


@dataclass(frozen=True)
class SuspectRow:
    """A window whose label is likely wrong.

    Attributes:
        window: Index in the data set.
        label: The label it carries.
        probable: The surface it looks like.
        probability: Of that surface, out of sample, 0 to 1.
        place: Recording and time in it; empty where the data set was not given or has none.
        picture: Its samples; None where the data set was not given.
    """

    window: int
    label: str
    probable: str
    probability: float
    place: str
    picture: Picture | None


@dataclass(frozen=True)
class DiagnosisPart:
    """A diagnosis as the page shows it.

    Attributes:
        headline: The result in one sentence.
        healthy: Whether nothing was found.
        cards: The verdicts, strongest first.
        open_questions: What could not be tested.
        suspects: Windows whose label is likely wrong.
        suspects_note: What to know of them.
        arms: Every arm, those included that no verdict rests on.
    """

    headline: str
    healthy: bool
    cards: tuple[VerdictCard, ...]
    open_questions: tuple[OpenQuestion, ...]
    suspects: tuple[SuspectRow, ...]
    suspects_note: str
    arms: tuple[ArmRow, ...]


def diagnosis_part(result: Mapping[str, Any], dataset: Dataset | None = None) -> DiagnosisPart:
    """Turns the result of `surface diagnose` into what the page shows.

    Args:
        result: What `surface diagnose --json` holds.
        dataset: The data set that was diagnosed, for the plots of suspected windows.

    Raises:
        KeyError: Something is missing in the result.
        ValueError: A number in it cannot be read.
        TypeError: Something in it is of another type.
    """
    arms = read_arms(result['arms'])
    cards = tuple(_card(verdict, arms, result['config']) for verdict in result['verdicts'])
    questions = tuple(
        OpenQuestion(
            entry['id'], f'Whether {cause_phrase(entry["id"])}', _sentence(entry['why']), _sentence(entry['supply'])
        )
        for entry in result['cannot_tell']
    )
    suspects, note = _suspects(result['suspected'], dataset)
    healthy = all(card.healthy for card in cards)
    return DiagnosisPart(
        headline=_headline(cards, len(questions), healthy),
        healthy=healthy,
        cards=cards,
        open_questions=questions,
        suspects=suspects,
        suspects_note=note,
        arms=tuple(_arm_row(arm) for arm in arms.values()),
    )


def diagnosis_curve(result: Mapping[str, Any]) -> TrainingCurve:
    """Reads the training that was diagnosed, with the span of its repetitions; arguments as in `diagnosis_part`."""
    curve = training_curve(result['run'])
    low = high = numbers(None)
    for arm in read_arms(result['arms']).values():
        # A forked arm of this name goes on from the middle of the run: its epochs are others.
        if arm.name in UNCHANGED and not arm.forked and len(arm.loss) == len(curve.epochs):
            low, high = arm.low, arm.high
    return replace(curve, low=low, high=high)


def training_curve(run: Mapping[str, Any]) -> TrainingCurve:
    """Reads a run: `epochs` with the fields of `EpochResult`, and, where kept, `step_losses` and `steps_per_epoch`.

    Raises:
        KeyError: Something is missing.
        ValueError: A number cannot be read.
        TypeError: Something is of another type.
    """
    epochs = tuple(
        EpochPoint(
            run='training',
            epoch=int(entry['epoch']),
            loss=number(entry['loss']),
            validation_loss=number(entry.get('validation_loss')),
            validation_accuracy=number(entry.get('validation_accuracy')),
            loss_noise=number(entry.get('loss_noise')),
            training_accuracy=number(entry.get('training_accuracy')),
        )
        for entry in run['epochs']
    )
    steps = numbers(run.get('step_losses'))
    steps_per_epoch = int(run['steps_per_epoch']) if len(steps) else 1
    if steps_per_epoch < 1:
        raise ValueError(f'steps_per_epoch is {steps_per_epoch}')
    return TrainingCurve(epochs, steps, steps_per_epoch, numbers(None), numbers(None))


def read_arms(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Arm]:
    """Reads the arms of a diagnosis, each with a colour of its own."""
    colours = arm_colours(entries)
    arms = {}
    for name, entry in entries.items():
        loss = numbers(entry.get('loss'))
        low, high = (numbers(entry.get(key)) for key in ('loss_low', 'loss_high'))
        if not len(low) == len(high) == len(loss):
            raise ValueError(f'arm {name!r} has {len(loss)} losses, {len(low)} lowest and {len(high)} highest ones')
        arms[name] = Arm(
            name=name,
            description=entry['description'],
            loss=loss,
            low=low,
            high=high,
            accuracy=number(entry.get('accuracy')),
            colour=colours[name],
            forked=bool(entry.get('forked', False)),
            first_epoch=int(entry.get('first_epoch', 1)),
        )
    return arms


def plain_words(cause: str) -> str:
    """Name of a cause as the beginning of a sentence."""
    if cause == HEALTHY:
        return 'Nothing is wrong with this training'
    words = cause_phrase(cause)
    return words[:1].upper() + words[1:]


def cause_phrase(cause: str) -> str:
    """Name of a cause inside a sentence; its id where it is none that is known here."""
    return CAUSES.get(cause, cause.replace('_', ' '))


def config_diff(current: Mapping[str, Any], change: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Lines that change a training configuration, as YAML: pairs of a sign (` `, `-`, `+`) and the line.

    Args:
        current: The configuration as it is.
        change: Keys with their new values; nested ones as a mapping.
    """
    lines: list[tuple[str, str]] = []
    for key, value in change.items():
        if isinstance(value, Mapping):
            old = current.get(key)
            lines.append((' ', f'{key}:'))
            lines += [(sign, f'  {line}') for sign, line in config_diff(old if isinstance(old, Mapping) else {}, value)]
        elif key in current and current[key] == value:
            lines.append((' ', f'{key}: {_yaml(value)}'))
        else:
            if key in current:
                lines.append(('-', f'{key}: {_yaml(current[key])}'))
            lines.append(('+', f'{key}: {_yaml(value)}'))
    return tuple(lines)


def number(value: Any) -> float:
    """A number of a JSON result; NaN for null, which stands for it there."""
    return float('nan') if value is None else float(value)


def numbers(values: Sequence[Any] | None) -> Values:
    """Numbers of a JSON result as an array; empty for null."""
    return np.array([number(value) for value in values or ()], dtype=np.float64)


def _headline(cards: Sequence[VerdictCard], open_questions: int, healthy: bool) -> str:
    untested = ''
    if open_questions:
        untested = f' {open_questions} further cause{"s" if open_questions > 1 else ""} could not be tested.'
    if healthy:
        return f'Nothing wrong was found: this training is healthy.{untested}'
    first = cards[0].title[:1].lower() + cards[0].title[1:]
    if len(cards) == 1:
        return f'One cause was found: {first}.{untested}'
    return f'{len(cards)} causes were found; the strongest: {first}.{untested}'


def _card(verdict: Mapping[str, Any], arms: Mapping[str, Arm], config: Mapping[str, Any]) -> VerdictCard:
    evidence, remedy = verdict['evidence'], verdict['remedy']
    mine = [arms[name] for name in verdict['arms']]
    title = plain_words(verdict['id'])
    value, threshold, unit = number(evidence['value']), number(evidence['threshold']), evidence['unit']
    drawable = [arm for arm in mine if len(arm.loss) or math.isfinite(arm.accuracy)]
    return VerdictCard(
        id=verdict['id'],
        title=title,
        strength=float(verdict['strength']),
        healthy=verdict['id'] == HEALTHY,
        evidence=evidence['text'],
        number=evidence['name'],
        value=_with_unit(value, unit),
        threshold=_with_unit(threshold, unit),
        gauge=_gauge(value, threshold),
        remedy=remedy['text'],
        diff=config_diff(config, remedy.get('config') or {}),
        command=remedy.get('command') or '',
        picture=arms_picture(drawable, title) if drawable else None,
        arms=tuple(_arm_row(arm) for arm in mine),
        windows=tuple(int(window) for window in verdict.get('windows', ())),
    )


def _arm_row(arm: Arm) -> ArmRow:
    return ArmRow(
        name=arm.name.replace('_', ' '),
        description=arm.description,
        colour=arm.colour,
        final_loss=_number_text(float(arm.loss[-1])) if len(arm.loss) else '–',
        accuracy=f'{arm.accuracy:.2f}' if math.isfinite(arm.accuracy) else '–',
    )


def _gauge(value: float, threshold: float) -> tuple[float, float] | None:
    """Places of a number and its threshold on a bar from 0; None where one is negative, unknown, or not to be seen."""
    if not (math.isfinite(value) and math.isfinite(threshold)) or min(value, threshold) < 0:
        return None
    end = 1.15 * max(value, threshold)
    # Bars that differ by orders of magnitude would show an empty one and a full one.
    if end == 0 or max(value, threshold) > 50 * max(min(value, threshold), 1e-12):
        return None
    return value / end, threshold / end


def _suspects(entries: Sequence[Mapping[str, Any]], dataset: Dataset | None) -> tuple[tuple[SuspectRow, ...], str]:
    ordered = sorted(entries, key=lambda entry: (-float(entry['probability']), int(entry['window'])))
    typical = {} if dataset is None or not ordered else _typical_windows(dataset, [int(e['window']) for e in ordered])
    rows = []
    for rank, entry in enumerate(ordered):
        window = int(entry['window'])
        picture = None
        if dataset is not None and rank < PLOTTED_WINDOWS:
            names = (entry['label'], entry['probable'])
            picture = window_picture(dataset, window, {name: typical[name] for name in names if name in typical})
        rows.append(
            SuspectRow(
                window=window,
                label=entry['label'],
                probable=entry['probable'],
                probability=float(entry['probability']),
                place='' if dataset is None else _place(dataset, window),
                picture=picture,
            )
        )
    if not rows:
        return (), ''
    note = (
        'Windows that other windows, trained without them, take for another surface than their label says. '
        'Look at them before you change anything: a rare but right window looks like this, too.'
    )
    if dataset is None:
        note += ' Give the data set with --dataset to see their samples.'
    elif len(rows) > PLOTTED_WINDOWS:
        note += f' Drawn are the {PLOTTED_WINDOWS} most probable ones.'
    return tuple(rows), note


def _typical_windows(dataset: Dataset, suspects: Sequence[int]) -> dict[str, int]:
    """Index of a typical window of each class: nearest to the class's median in level, spread and roughness."""
    features = []
    for part in dataset.config.input_parts:
        values = np.asarray(dataset.parts[part.name])
        with np.errstate(all='ignore'):
            features += [
                np.nan_to_num(np.nanmean(values, axis=1)),
                np.nan_to_num(np.nanstd(values, axis=1)),
                np.nan_to_num(np.nanmean(np.abs(np.diff(values, axis=1)), axis=1)),
            ]
    table = np.concatenate(features, axis=1)
    table = table / np.where(table.std(axis=0) > 0, table.std(axis=0), 1.0)
    trusted = np.ones(len(dataset), dtype=bool)
    trusted[list(suspects)] = False
    found = {}
    for index, name in enumerate(dataset.classes):
        mine = np.flatnonzero(trusted & (np.asarray(dataset.labels) == index))
        if len(mine):
            distance = np.linalg.norm(table[mine] - np.median(table[mine], axis=0), axis=1)
            found[name] = int(mine[np.argmin(distance)])
    return found


def _place(dataset: Dataset, window: int) -> str:
    if not dataset.has_recordings:
        return ''
    recording = int(dataset.recording[window])
    first_ns = int(dataset.start_ns[np.asarray(dataset.recording) == recording].min())
    seconds = (int(dataset.start_ns[window]) - first_ns) / _NANOSECONDS
    return f'{seconds:.1f} s into {dataset.recording_names[recording]}'


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ('' if text.endswith('.') else '.')


def _with_unit(value: float, unit: str) -> str:
    text = _number_text(value)
    return text if unit in ('', '1') else f'{text} {unit}'


def _number_text(value: float) -> str:
    """Three significant digits, and no exponent where a person would not write one."""
    if not math.isfinite(value):
        return '–'
    return f'{value:.0f}' if 1e3 <= abs(value) < 1e5 else f'{value:.3g}'


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
