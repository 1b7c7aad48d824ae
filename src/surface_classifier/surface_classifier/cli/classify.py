# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface classify`: label recordings or a data set with a trained model, as the live nodes would."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from current_driver.errors import SurfaceError
from surface_classifier.cli.parsing import add_command, add_json_argument, positive_float, write_json

if TYPE_CHECKING:
    from current_driver.recordings.recording import Recording
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.model.label import Label
    from surface_classifier.model.labeller import Labeller
    from surface_classifier.signal.window_config import WindowConfig

_DESCRIPTION = """\
Label recordings or a data set with a trained model.

A recording goes through the same window stream and labeller as in the live nodes, one window at a time, so it gets the
labels they would give. Where it carries labels of its own, the share of windows that agree is shown, and which surface
is called which; windows over a change of surface, and stretches without a label, do not count.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'classify',
        help='label a recording or a data set with a trained model',
        description=_DESCRIPTION,
        examples="""\
surface classify models/floors recordings/drive_2
surface classify models/floors recordings --json labels.json
surface classify models/floors recordings --no-novelty
surface classify models/floors data/new_drives --engine torch""",
    )
    parser.add_argument('model', metavar='MODEL', help='folder of the model')
    parser.add_argument(
        'source', metavar='RECORDING|DATASET', help='a bag or a CSV file, a folder that holds some, or a data set'
    )
    parser.add_argument(
        '--engine',
        choices=('auto', 'onnx', 'torch', 'numpy'),
        default='auto',
        help='what runs the model (auto: onnx where ONNX Runtime is installed, else numpy)',
    )
    parser.add_argument(
        '--device',
        choices=('auto', 'cpu', 'cuda'),
        default='auto',
        help='where it runs (auto: the CPU, for onnx and numpy)',
    )
    parser.add_argument(
        '--input-rate',
        metavar='HZ',
        type=positive_float,
        help='rate of the samples recorded, when it is not that of the training data: above 1.5 times the rate of '
        'the windows they are low-passed first (as parameter input_rate_hz of the preprocessor does)',
    )
    parser.add_argument(
        '--possible-level',
        metavar='P',
        type=positive_float,
        help='also name every surface that cannot be ruled out, so that the true one is among them in a share P of the '
        'windows of a new recording, on average over recordings: 0.5 to 0.98, as the model has it',
    )
    parser.add_argument(
        '--no-novelty',
        action='store_true',
        help='do not ask whether windows are like the training data, a sensor is dead or the robot stands (as '
        'parameter check_novelty: false of the classifier): a label for every measured window',
    )
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Classify and print what was found."""
    from surface_classifier.data.dataset import METADATA_FILE, Dataset
    from surface_classifier.model.engine import load_engine
    from surface_classifier.model.labeller import Labeller

    engine = load_engine(args.model, args.engine, args.device)
    labeller = Labeller(engine, possible_level=args.possible_level, check_novelty=not args.no_novelty)
    if (Path(args.source) / METADATA_FILE).is_file():
        if args.input_rate is not None:
            raise SurfaceError(f'--input-rate goes with recordings only; {args.source} is a data set, already cut')
        recordings = _classify_dataset(labeller, Dataset.load(args.source))
    else:
        config = _with_input_rate(labeller.engine.contract.config, args.input_rate)
        recordings = _classify_recordings(labeller, config, args.source)
    if not any(recording['labels'] for recording in recordings):
        window_s = labeller.engine.contract.config.window_s
        voided = sum(recording['voided'] for recording in recordings)
        raise SurfaceError(
            f'{args.source}: gives no window of {window_s:g} s with all channels measured ({voided} voided); '
            'the recording may be shorter than a window, or sampled more slowly than the model expects'
        )
    for recording in recordings:
        for warning in recording['warnings']:
            print(f'surface: warning: {warning}', file=sys.stderr)
        recording['accuracy'] = _accuracy(recording['labels'])
    contract = labeller.engine.contract
    labels = [label for recording in recordings for label in recording['labels']]
    result = {
        'model': args.model,
        'model_digest': contract.weights_sha256,
        'engine': labeller.engine.description,
        'classes': list(contract.classes),
        'accuracy': _accuracy(labels),
        'accuracy_of_known': _accuracy([label for label in labels if label['known']]),
        'confusion': _confusion(labels),
        'unknown': dict(Counter(label['reason'] for label in labels if not label['known']).most_common()),
        'recordings': recordings,
    }
    if args.json:
        write_json(result, args.json)
    if args.json != '-':
        _print(result)
    return 0


def _with_input_rate(config: WindowConfig, input_rate_hz: float | None) -> WindowConfig:
    """The configuration for samples of another rate in its first part, as in the preprocessor."""
    if input_rate_hz is None:
        return config
    first = dataclasses.replace(config.parts[0], input_rate_hz=input_rate_hz)
    return dataclasses.replace(config, parts=(first, *config.parts[1:]))


def _classify_recordings(labeller: Labeller, config: WindowConfig, source: str) -> list[dict[str, Any]]:
    from surface_classifier.cli.progress import progress_bar
    from surface_classifier.data.dataset_sources import find_sources

    found = progress_bar(find_sources([source]).recordings, 'classifying', 'recordings')
    return [_classify_recording(labeller, config, recording) for recording in found]


def _classify_recording(labeller: Labeller, config: WindowConfig, recording: Recording) -> dict[str, Any]:
    from current_driver.recordings.recording import surface_of_span
    from surface_classifier.model.classify import label_messages
    from surface_classifier.signal.rate_check import rate_mismatches
    from surface_classifier.signal.window_stream import WindowStream

    stream = WindowStream(config)
    labeller.reset()
    with recording.reader() as reader:
        labelled = recording.is_labelled(reader)
        segments = recording.segments(reader) if labelled else []
        try:
            topics = stream.resolve_topics(reader.topics)
            decoded = reader.decoded(topics, lambda stamped, error: stream.skipped.skip(topics[stamped.topic], error))
            incoming = ((topics[stamped.topic], message, stamped.stamp_ns) for stamped, message in decoded)
            labels = [
                _entry(label, surface_of_span(segments, label.window_start_ns, label.stamp_ns) or None)
                for label in label_messages(labeller, stream, incoming)
            ]
            stream.skipped.check()
        except SurfaceError as error:
            raise SurfaceError(f'{recording.path}: {error}') from error
        warnings = recording.warnings(reader)
    warnings.extend(f'{recording.path}: {text}' for text in stream.skipped.warnings())
    rates = rate_mismatches(stream.config.parts, stream.counters.observed_rate_hz)
    warnings.extend(f'{recording.path}: {text}' for text in rates)
    return {'name': recording.name, 'voided': stream.counters.voided, 'warnings': warnings, 'labels': labels}


def _classify_dataset(labeller: Labeller, dataset: Dataset) -> list[dict[str, Any]]:
    from surface_classifier.cli.progress import progress_bar
    from surface_classifier.model.classify import label_windows
    from surface_classifier.model.contract import check_compatible

    check_compatible(labeller.engine.contract, dataset.config, f'data set {dataset.path}')
    found: dict[str, list[dict[str, Any]]] = {}
    rows = progress_bar(range(len(dataset)), 'classifying', 'windows')
    labels = label_windows(labeller, dataset.parts, dataset.start_ns, dataset.end_ns, dataset.recording)
    for row, label in zip(rows, labels, strict=True):
        name = dataset.recording_names[dataset.recording[row]]
        found.setdefault(name, []).append(_entry(label, dataset.classes[dataset.labels[row]]))
    return [{'name': name, 'voided': 0, 'warnings': [], 'labels': entries} for name, entries in found.items()]


def _entry(label: Label, truth: str | None) -> dict[str, Any]:
    """Return a label as JSON types; `truth` is None where it is not known."""
    return {
        'stamp_ns': label.stamp_ns,
        'window_start_ns': label.window_start_ns,
        'window_index': label.window_index,
        'surface': label.surface,
        'surface_id': label.surface_id,
        'known': label.known,
        'reason': label.reason.name.lower(),
        'confidence': label.confidence,
        'probabilities': label.probabilities.tolist(),
        'raw_probabilities': label.raw_probabilities.tolist(),
        'possible': [label.class_names[k - 1] for k in label.possible_ids],
        'novelty': label.novelty,
        'coverage': label.coverage,
        'truth': truth,
    }


def _accuracy(labels: list[dict[str, Any]]) -> float | None:
    """Share of the labels whose truth is known that agree with it."""
    right = [label['surface'] == label['truth'] for label in labels if label['truth'] is not None]
    return sum(right) / len(right) if right else None


def _confusion(labels: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """How often each true surface gets each label, by the names of both; empty where no truth is known."""
    pairs = Counter((label['truth'], label['surface']) for label in labels if label['truth'] is not None)
    return {
        truth: {surface: count for (other, surface), count in sorted(pairs.items()) if other == truth}
        for truth in sorted({truth for truth, _ in pairs})
    }


def _print_confusion(confusion: dict[str, dict[str, int]]) -> None:
    from surface_classifier.model.label import UNKNOWN_SURFACE

    columns = sorted({surface for row in confusion.values() for surface in row} | confusion.keys())
    columns.sort(key=lambda name: name == UNKNOWN_SURFACE)  # last
    width = max(len('truth'), *(len(name) for name in confusion))
    print('\n' + f'{"truth":<{width}}  ' + '  '.join(f'{name:>6}' for name in columns))
    for name, row in confusion.items():
        counts = '  '.join(f'{row.get(column, 0):>{max(6, len(column))}}' for column in columns)
        print(f'{name:<{width}}  {counts}')


def _print(result: dict[str, Any]) -> None:
    from surface_classifier.model.label import Reason

    width = max(len('recording'), *(len(recording['name']) for recording in result['recordings']))
    print(f'{"recording":<{width}}  windows  voided  correct  labels')
    for recording in result['recordings']:
        counts = Counter(label['surface'] for label in recording['labels']).most_common()
        shares = ', '.join(f'{name} {count / len(recording["labels"]):.0%}' for name, count in counts)
        print(
            f'{recording["name"]:<{width}}  {len(recording["labels"]):>7}  {recording["voided"]:>6}  '
            f'{_percent(recording["accuracy"]):>7}  {shares}'
        )
    if result['confusion']:
        _print_confusion(result['confusion'])
    if result['unknown']:
        reasons = ', '.join(f'{count} {Reason[reason.upper()].text}' for reason, count in result['unknown'].items())
        print(f'\nunknown: {reasons} (see --no-novelty)')
    if result['accuracy'] is not None:
        note = '; unknown counts as incorrect' if result['unknown'] else ''
        print(f'\n{result["accuracy"]:.1%} of the labelled windows are correct{note}')
        if result['unknown'] and result['accuracy_of_known'] is not None:
            print(f'{result["accuracy_of_known"]:.1%} of those that are not unknown are correct')
    print(f'model {result["model_digest"][:12]}, {result["engine"]}')


def _percent(share: float | None) -> str:
    return '–' if share is None else f'{share:.0%}'
