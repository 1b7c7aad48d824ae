# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface train`: train an LSTM on a data set and write the model."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from surface_classifier.cli.folds import add_recipe_arguments, chosen_recipe
from surface_classifier.cli.parsing import (
    add_command,
    add_json_argument,
    add_keys_argument,
    non_negative_int,
    write_json,
)

if TYPE_CHECKING:
    from surface_classifier.model.contract import ModelContract
    from surface_classifier.training.loop import TrainingResult

_DESCRIPTION = """\
Train an LSTM on a data set and write the model: weights, ONNX, and a contract that says what it was trained for.

Whole recordings are held out (15 % of the windows in the default recipe) to stop when the network gets no better; the
scores on them are in the contract. For a score that can be quoted, use `surface evaluate`.

--config takes a preset (default; accurate, for a thousand windows and more; accurate-imu, for windows whose second part
is an IMU, as in config/borealtc_all_window.yaml; fluctuating-loss, fluctuating-loss-large,
fluctuating-loss-simple-rmsprop-32 and others of the forum question that `surface reproduce` runs) or a YAML file with
keys such as these, all of which --help-keys lists; `surface diagnose` says whether a recipe suits the data,
`surface sweep` looks for a better one:

  preset: default                                  # what the others change
  network: {hidden_sizes: [64], dropout: auto, pooling: mean_max, inputs: derived, statistics: true}
  epochs: 40
  batch_size: auto                                 # or a number, or full
  learning_rate: auto                              # or a number
  class_balance: weights                           # rare surfaces weigh more; or sampling, or none
  validation_fraction: 0.15                        # 0: train on everything, for all epochs
  calibration_folds: 0                             # so many networks more, to choose the confidence on
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'train',
        help='train an LSTM on a data set',
        description=_DESCRIPTION,
        examples="""\
surface train data/floors -o models/floors
surface train data/floors -o models/floors_seed_2 --seed 2 --epochs 60
surface train data/floors -o models/plain --config fluctuating-loss""",
    )
    parser.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    parser.add_argument('-o', '--output', metavar='MODEL', required=True, help='folder to make for the model')
    add_recipe_arguments(parser)
    add_keys_argument(parser, '--config', _recipe_reference)
    parser.add_argument('--seed', metavar='N', type=non_negative_int, default=0, help='seed of the run (%(default)d)')
    parser.add_argument('--overwrite', action='store_true', help='replace a model that is there already')
    add_json_argument(parser)
    parser.set_defaults(run=run)


def _recipe_reference() -> str:
    from surface_classifier.training.training_config import recipe_reference

    return recipe_reference()


def run(args: argparse.Namespace) -> int:
    """Train and write the model."""
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.training.training_config import recipe_advice

    config = chosen_recipe(args)
    dataset = Dataset.load(args.dataset)

    from current_driver.files.output_folders import claim_folder
    from surface_classifier.cli.progress import show_progress
    from surface_classifier.training.loop import EpochResult
    from surface_classifier.training.train_model import train_model

    # Without recordings there is nothing to calibrate on.
    networks = 1 + (config.calibration_folds if dataset.has_recordings else 0)
    with (
        claim_folder(args.output),
        show_progress('training', config.epochs * networks, 'epochs') as bar,
    ):
        calibrated = 0

        def show(epoch: EpochResult) -> None:
            held_out = (
                ''
                if math.isnan(epoch.validation_loss)
                else f', held out: loss {epoch.validation_loss:.3f}, balanced accuracy {epoch.validation_accuracy:.3f}'
            )
            bar.note(f'loss {epoch.loss:.3f}{held_out}')
            bar.advance()

        def calibrate(networks: int) -> None:
            nonlocal calibrated
            calibrated += networks
            bar.describe('calibrating')
            bar.move_to(config.epochs * (1 + calibrated))

        contract, result = train_model(
            dataset, args.output, config, args.seed, overwrite=args.overwrite, on_epoch=show, on_fold=calibrate
        )
    if args.json:
        write_json(_summary(args.output, contract, result), args.json)
    if args.json != '-':
        _print(args.output, contract, result)
        recordings = len(dataset.recordings) if dataset.has_recordings else 0
        if advice := recipe_advice(config, len(dataset), recordings):
            print(f'note: {advice}')
    return 0


def _summary(path: str, contract: ModelContract, result: TrainingResult) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        'model': path,
        'model_digest': contract.weights_sha256,
        'classes': list(contract.classes),
        'scores': dict(contract.scores),
        'training_data': dict(contract.training_data),
        'training': dict(contract.training),
        'seed': contract.seed,
        'epochs': [asdict(epoch) for epoch in result.epochs],
        'seconds': result.seconds,
    }


def _print(path: str, contract: ModelContract, result: TrainingResult) -> None:
    data = contract.training_data
    print(
        f'trained on {data["windows"]} windows in {result.seconds:.1f} s: {len(result.epochs)} epochs, '
        f'the best was epoch {result.best_epoch}'
    )
    if contract.scores:
        scores = contract.scores
        print(
            f'on {data["held_out_windows"]} windows held out {data["split"]}: accuracy {scores["accuracy"]:.3f}, '
            f'balanced {scores["balanced_accuracy"]:.3f}, macro-F1 {scores["macro_f1"]:.3f}'
        )
    if data['split'] != 'by recording':
        print(
            'note: the data set has no recording ids, so the split is by window; windows of one drive may be on both '
            'sides, and the scores are too good'
        )
    print(f'model {path}, digest {contract.weights_sha256[:12]}')
    print(f'next: surface classify {path} RECORDING')
