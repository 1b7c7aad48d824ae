# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface dataset info`: what a data set holds and covers, and whether its channels are fit to learn from."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from current_driver.errors import SurfaceError
from surface_classifier.cli.parsing import add_command, add_json_argument, non_negative_int, write_json

if TYPE_CHECKING:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.splits import Folds
    from surface_classifier.data.survey.dataset_survey import InputSurvey, Motion, Survey

_DESCRIPTION = """\
Show what a data set holds and what it covers.

For each class: windows, recordings, seconds, robots. How the samples came: rate, jitter, gaps, share that was measured.
Channels that are constant, dead, saturated, a copy of another, or that wrap around. Power above the Nyquist
frequency of the grid, from the recordings before they were decimated, where these are still there. Speeds and turns,
where a channel is in m/s.
"""

# Channels are looked at in so many windows, evenly over the data set: a fault that matters shows in these.
_MOST_WINDOWS = 20_000
_RARE_POWER = 0.01  # a share of the power above the Nyquist frequency that is not worth a word [1]


def add_info(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action's parser."""
    info = add_command(
        actions,
        'info',
        help='show what a data set holds and covers',
        description=_DESCRIPTION,
        examples="""\
surface dataset info data/floors
surface dataset info data/floors --folds 5
surface dataset info data/floors --verify --json -""",
    )
    info.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    info.add_argument('--recordings', action='store_true', help='list every recording')
    info.add_argument(
        '--verify',
        action='store_true',
        help='show that the digest was compared, as every verb does when it loads the data set',
    )
    info.add_argument(
        '--no-spectrum',
        action='store_true',
        help='do not go back to the recordings for power above the Nyquist frequency',
    )
    folds = info.add_argument_group('folds', 'show which recordings would be tested together')
    folds.add_argument('--folds', metavar='K', type=non_negative_int, help='K folds of whole recordings')
    folds.add_argument('--seed', metavar='N', type=non_negative_int, default=0, help='seed of the folds (%(default)d)')
    folds.add_argument('--folds-file', metavar='F', help='the folds of a JSON file')
    folds.add_argument(
        '--repetition', metavar='R', type=non_negative_int, default=0, help='repetition in that file (%(default)d)'
    )
    add_json_argument(info)
    info.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from surface_classifier.cli.dataset.summary import dataset_summary, print_dataset
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.data.splits import folds_from_file, stratified_folds
    from surface_classifier.data.survey.dataset_survey import survey

    dataset = Dataset.load(args.dataset)
    folds = None
    if args.folds_file is not None:
        folds = folds_from_file(dataset, args.folds_file, args.repetition)
    elif args.folds is not None:
        folds = stratified_folds(dataset, args.folds, args.seed)
    found = survey(dataset)
    channels = channel_faults(dataset)
    spectrum = None if args.no_spectrum else power_above(dataset)
    if args.json:
        summary = dataset_summary(dataset)
        covered = found.to_dict()
        for name, entry in covered.pop('classes').items():
            summary['classes'][name].update(entry)
        summary.update(covered, channel_faults=channels, power_above_nyquist=spectrum)
        if folds is not None:
            summary['folds'] = folds_summary(folds)
        write_json(summary, args.json)
    if args.json != '-':
        print_dataset(dataset, found.classes)
        _print_survey(found, channels, spectrum)
        if args.recordings:
            _print_recordings(dataset)
        if folds is not None:
            _print_folds(dataset, folds)
        if args.verify:
            print('the digest matches the content')
    return 0


def _print_survey(found: Survey, channels: list[dict[str, Any]], spectrum: dict[str, Any] | None) -> None:
    if found.imbalance > 1:
        print(f'balance: {found.imbalance:.3g} windows of the commonest class for one of the rarest')
    for name, entry in found.inputs.items():
        _print_input(name, entry)
    if found.lost_samples:
        print(f'{found.lost_samples} samples that the source counted never came')
    for fault in channels:
        print(f'channel {fault["channel"]}: {fault["text"]}')
    if spectrum is not None:
        _print_spectrum(spectrum)
    if found.motion is not None:
        _print_motion(found.motion)


def channel_faults(dataset: Dataset) -> list[dict[str, Any]]:
    """Channels that are not fit to learn from: `channel`, `kind`, `value`, `text`, and of a duplicate the `other`."""
    import numpy as np

    from surface_classifier.data.survey.sensor_checks import constant_channels, find_sensor_faults, noted_wraps

    rows: Any = slice(None)
    if len(dataset) > _MOST_WINDOWS:
        rows = np.linspace(0, len(dataset) - 1, _MOST_WINDOWS).round().astype(np.int64)
    # Wheels that turn alike or stand are no faults of their sensors.
    parts = dataset.inputs(rows)
    names = [[f'{part.name}.{name}' for name in part.channel_names] for part in dataset.config.input_parts]
    constant = set(constant_channels(parts))
    found: list[dict[str, Any]] = [
        {
            'channel': names[part][channel],
            'kind': 'constant',
            'value': 1.0,
            'text': 'constant, it has one value in all windows',
        }
        for part, channel in sorted(constant)
    ]
    for fault in find_sensor_faults(parts, noted_wraps(dataset)):
        if (fault.part, fault.channel) in constant:
            continue
        entry: dict[str, Any] = {
            'channel': names[fault.part][fault.channel],
            'kind': fault.kind,
            'value': fault.value,
        }
        if fault.kind == 'duplicate':
            entry['other'] = names[fault.part][fault.other]
            entry['text'] = f'follows {entry["other"]} with a correlation of {fault.value:.4f}'
        elif fault.kind == 'wrapped':
            entry['text'] = fault.text
        elif fault.kind == 'saturated':
            entry['text'] = f'saturated, {100 * fault.value:.0f} % of its samples lie at its rail'
        else:
            entry['text'] = f'dead, it does not change at all in {100 * fault.value:.0f} % of the windows'
        found.append(entry)
    return found


def power_above(dataset: Dataset) -> dict[str, Any]:
    """Power above the Nyquist frequency by part, and why it is unknown."""
    from surface_classifier.data.survey.aliasing import PowerAbove, power_above_nyquist

    try:
        power = power_above_nyquist(dataset)
    except SurfaceError as error:  # what became of the recordings is no reason not to show the data set
        power = PowerAbove(why=str(error))
    by_name = {part.name: part for part in dataset.config.parts}
    return {
        'parts': {
            folded.part: {
                'share': folded.share,
                'nyquist_hz': by_name[folded.part].sample_rate_hz / 2,
                'input_rate_hz': folded.input_rate_hz,
                'strongest_hz': folded.frequency_hz,
                'removed': by_name[folded.part].decimates,
            }
            for folded in power.found
        },
        'why': power.why,
    }


def folds_summary(folds: Folds) -> dict[str, Any]:
    """Folds for machines; `repetitions` has the layout of a folds file."""
    return {
        'protocol': folds.protocol,
        'warnings': list(folds.warnings),
        'repetitions': [{name: fold.index for fold in folds for name in fold.test_recordings}],
    }


def _print_input(name: str, entry: InputSurvey) -> None:
    texts = []
    if entry.median_rate_hz is not None and entry.lowest_rate_hz is not None and entry.highest_rate_hz is not None:
        if f'{entry.lowest_rate_hz:.4g}' == f'{entry.highest_rate_hz:.4g}':
            texts.append(f'samples at {entry.median_rate_hz:.4g} Hz')
        else:
            texts.append(
                f'samples at {entry.lowest_rate_hz:.4g} to {entry.highest_rate_hz:.4g} Hz, median '
                f'{entry.median_rate_hz:.4g}'
            )
    if entry.median_jitter_s is not None and entry.worst_jitter_s is not None:
        worst = f', worst {1e3 * entry.worst_jitter_s:.3g} ms in {entry.worst_jitter_recording}'
        texts.append(
            f'jitter {1e3 * entry.median_jitter_s:.3g} ms'
            + (worst if entry.worst_jitter_s > 1.1 * entry.median_jitter_s else '')
        )
    if entry.gaps:
        texts.append(
            f'{entry.gaps} gap{"s" if entry.gaps > 1 else ""}, longest {entry.longest_gap_s:.3g} s in '
            f'{entry.longest_gap_recording}'
        )
    elif entry.recordings:
        texts.append('no gaps')
    texts.append(f'{100 * entry.coverage:.4g} % of the values measured')
    print(f'{name}: {"; ".join(texts)}')


def _print_spectrum(spectrum: dict[str, Any]) -> None:
    for name, entry in spectrum['parts'].items():
        if entry['share'] < _RARE_POWER:
            print(f'{name}: hardly any power above {entry["nyquist_hz"]:g} Hz')
            continue
        what = 'taken out by the low-pass' if entry['removed'] else 'folded into the windows: there was no low-pass'
        print(
            f'{name}: {100 * entry["share"]:.0f} % of the power lies above {entry["nyquist_hz"]:g} Hz, most of it '
            f'about {entry["strongest_hz"]:.0f} Hz, {what}'
        )
    if spectrum['why']:
        print(f'power above the Nyquist frequency: unknown, {spectrum["why"]}')


def _print_motion(motion: Motion) -> None:
    turns = f', turns by {motion.turn} [{motion.turn_unit}]' if motion.turn else ''
    print(f'speed by {", ".join(motion.speed_channels)} [{motion.speed_unit}]{turns}')
    width = max(len(name) for name in motion.classes)
    for name, entry in motion.classes.items():
        shares = ' / '.join(f'{100 * share:.0f}' for share in entry.speed_shares)
        text = (
            f'  {name:<{width}}  {entry.slowest:6.2f} to {entry.fastest:.2f}, median {entry.median:.2f}; slow / '
            f'medium / fast {shares} %'
        )
        if entry.left is not None and entry.straight is not None and entry.right is not None:
            turns = ' / '.join(f'{100 * share:.0f}' for share in (entry.left, entry.straight, entry.right))
            text += f'; left / straight / right {turns} %'
        print(text)
    for warning in motion.warnings:
        print(f'surface: warning: {warning}', file=sys.stderr)


def _print_recordings(dataset: Dataset) -> None:
    width = max(len(info.name) for info in dataset.recordings)
    for info in dataset.recordings:
        noted = ', '.join(text for text in (info.robot, info.place, info.operator, info.payload, info.note) if text)
        print(f'{info.name:<{width}}  {info.seconds:9.1f} s  {info.windows:6d} windows  {noted}'.rstrip())


def _print_folds(dataset: Dataset, folds: Folds) -> None:
    import numpy as np

    from surface_classifier.cli.dataset.summary import counted

    print(folds.protocol)
    for fold in folds:
        counts = np.bincount(dataset.labels[fold.test], minlength=len(dataset.classes))
        shares = ', '.join(f'{name} {count}' for name, count in zip(dataset.classes, counts, strict=True))
        what = f'{counted(len(fold.test_recordings), "recording")}, ' if dataset.has_recordings else ''
        print(f'  fold {fold.index}: tests {what}{counted(len(fold.test), "window")} ({shares})')
    for warning in folds.warnings:
        print(f'surface: warning: {warning}', file=sys.stderr)
