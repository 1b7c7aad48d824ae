# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface info`: say what a recording, data set or model holds."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from current_driver.errors import SurfaceError
from current_driver.files.output_folders import complete_replacement
from surface_classifier.cli.parsing import add_command, add_json_argument, write_json

if TYPE_CHECKING:
    from current_driver.recordings.recording import Recording


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'info',
        help='say what a recording, data set or model holds',
        description='Say what a recording, data set or model holds. Models are verified against their digests.',
        examples="""\
surface info recordings/drive_1
surface info runs/gravel/run_1.csv
surface info data/floors
surface info models/floors --json -""",
    )
    parser.add_argument(
        'path', metavar='PATH', help='a bag or a CSV file, a folder that holds some, a data set or a model'
    )
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Find out what it is, and print what it holds."""
    from surface_classifier.data.dataset import METADATA_FILE, Dataset
    from surface_classifier.model.contract import CONTRACT_FILE

    path = Path(args.path)
    complete_replacement(path)
    show: Callable[[dict[str, Any]], None]
    if os.path.lexists(path / CONTRACT_FILE):
        summary, show = _model(path), _print_model
    elif (path / METADATA_FILE).is_file():
        from surface_classifier.cli.dataset.summary import dataset_summary, print_dataset

        dataset = Dataset.load(path)
        summary = {'kind': 'data set', **dataset_summary(dataset)}

        def show(_: dict[str, Any]) -> None:
            print_dataset(dataset)
    else:
        summary, show = _recordings(path), _print_recordings
    if args.json:
        write_json(summary, args.json)
    if args.json != '-':
        show(summary)
    return 0


def _model(path: Path) -> dict[str, Any]:
    from surface_classifier.model.contract import describe_windows, load_contract, members_of, read_verified
    from surface_classifier.model.engine import cpu_engine

    contract = load_contract(path)
    for name, digest in members_of(contract).items():
        read_verified(path / name, digest)
    return {
        'kind': 'model',
        'path': str(path),
        'takes': describe_windows(contract.config),
        'engine': cpu_engine(contract),
        **contract.to_dict(),
    }


def _print_model(summary: dict[str, Any]) -> None:
    try:
        _print_contract(summary)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SurfaceError(
            f'{summary["path"]}: its contract does not state what `surface train` writes ({error!r}); train it again'
        ) from error


def _print_contract(summary: dict[str, Any]) -> None:
    data, training, scores = summary['training_data'], summary['training'], summary['scores']
    print(f'model {summary["path"]}, written by {summary["created_by"]}; files match their digests')
    print(f'takes    {summary["takes"]}')
    print(f'classes  {", ".join(summary["classes"])}')
    onnx = '' if summary['onnx_sha256'] else '; the model has no file for ONNX Runtime'
    print(f'engine   {summary["engine"]} on this machine (auto){onnx}')
    shape = summary['architecture']
    for title, network in [('network', shape), *(('member', member) for member in shape.get('members', ()))]:
        settings = ', '.join(f'{key} {value}' for key, value in network.items() if key != 'members')
        print(f'{title:<8} {settings}')
    for part, values in summary['normalisation'].items():
        numbers = ', '.join(
            f'{mean:.4g} ± {scale:.4g}' for mean, scale in zip(values['mean'], values['scale'], strict=True)
        )
        print(f'inputs   {part}: {numbers}')
    if training:
        print(
            f'trained  on {data["windows"]} windows of {len(data["recordings"])} recordings (data set '
            f'{data["digest"][:12]}), seed {summary["seed"]}, {training["epochs_run"]} epochs, best '
            f'{training["best_epoch"]}'
        )
    if scores:
        print(
            f'held out {data["held_out_windows"]} windows {data["split"]}: accuracy {scores["accuracy"]:.3f}, '
            f'balanced {scores["balanced_accuracy"]:.3f}, macro-F1 {scores["macro_f1"]:.3f}'
        )
    levels = ', '.join(f'{level:g}' for level in summary['conformal'].get('levels', ()))
    print(f'possible {levels or "none: trained without held-out recordings"} (levels of possible_ids)')
    print(f'weights  {summary["weights_sha256"]}')


def _recordings(path: Path) -> dict[str, Any]:
    from surface_classifier.data.dataset_sources import find_sources

    found = [_recording(recording) for recording in find_sources([path]).recordings]
    return {'kind': 'recordings', 'path': str(path), 'recordings': found}


def _recording(recording: Recording) -> dict[str, Any]:
    from current_driver.messages import NANOSECONDS
    from surface_classifier.data.inspection.wrapped_fields import wrapped_fields

    with recording.reader() as reader:
        segments = recording.segments(reader) if recording.is_labelled(reader) else []
        return {
            'name': recording.name,
            'path': str(recording.path),
            'start_ns': reader.start_ns,
            'end_ns': reader.end_ns,
            'seconds': (reader.end_ns - reader.start_ns) / NANOSECONDS,
            'topics': dict(reader.topics),
            'metadata': recording.notes(reader),
            'segments': [
                {'start_ns': segment.start_ns, 'end_ns': segment.end_ns, 'surface': segment.surface}
                for segment in segments
            ],
            'warnings': [*recording.warnings(reader), *wrapped_fields(reader)],
        }


def _print_recordings(summary: dict[str, Any]) -> None:
    for recording in summary['recordings']:
        print(f'{recording["name"]}  {recording["seconds"]:.1f} s  {recording["path"]}')
        for topic, msgtype in recording['topics'].items():
            print(f'  {topic}: {msgtype}')
        seconds: dict[str, float] = {}
        for segment in recording['segments']:
            name = segment['surface'] or 'not labelled'
            seconds[name] = seconds.get(name, 0.0) + (segment['end_ns'] - segment['start_ns']) / 1e9
        print('  ' + (', '.join(f'{name} {time:.1f} s' for name, time in seconds.items()) or 'no label topic'))
        for key, value in recording['metadata'].items():
            if value:
                print(f'  {key}: {value}')
        for warning in recording['warnings']:
            print(f'  warning: {warning}')
