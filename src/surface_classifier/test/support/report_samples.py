# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Results as `surface diagnose`, `evaluate`, `train` and `sweep` write them, made up for tests of the page."""

from __future__ import annotations

from typing import Any

import numpy as np

from surface_classifier.training import metrics

SURFACES = ('carpet', 'concrete', 'grass', 'gravel', 'parquet', 'tiles')
EPOCHS = 120
STEPS_PER_EPOCH = 25
CONFIG: dict[str, Any] = {
    'network': {
        'hidden_sizes': [128, 128],
        'dropout': 0.2,
        'pooling': 'last',
        'inputs': 'raw',
        'statistics': False,
        'batch_norm': False,
        'normalise': True,
        'recurrent_gain': 1.0,
    },
    'epochs': 1500,
    'batch_size': 4,
    'optimizer': 'rmsprop',
    'learning_rate': 0.001,
    'schedule': 'constant',
    'class_balance': 'none',
}


def _arms(rng: np.random.Generator, wobbly: Any) -> dict[str, Any]:
    """The arms of a diagnosis, the last ones of folds."""
    half = EPOCHS // 2
    return {
        'as_configured': _arm(rng, 'the training as configured', wobbly, 0.2, 0.41),
        'same': _arm(rng, 'the training goes on as configured', wobbly[half:], 0.2, 0.40, forked=True),
        'full_batch': _arm(
            rng,
            'all windows in one step, at the same rate',
            _curve(rng, 0.75, 0.45, 0.015)[half:],
            0.03,
            0.42,
            forked=True,
        ),
        'rate_tenth': _arm(
            rng, 'a tenth of the learning rate', _curve(rng, 0.8, 0.5, 0.05)[half:], 0.05, 0.43, forked=True
        ),
        'larger_batch': _arm(rng, 'batches of a usual size', _curve(rng, 1.78, 0.3, 0.06), 0.05, 0.44),
        'rich_inputs': _arm(
            rng,
            'level, shape and step of the signal as inputs, statistics at the head',
            _curve(rng, 1.7, 0.02, 0.05),
            0.1,
            0.74,
        ),
        'grouped': {'description': 'recordings whole on one side', 'accuracy': 0.41},
        'shuffled': {'description': 'windows shuffled over both sides', 'accuracy': 0.57},
    }


def _verdicts() -> list[dict[str, Any]]:
    """Four causes, the strongest first."""
    return [
        _verdict(
            'batch_too_small',
            0.86,
            'With all windows in one step, at the same rate, 93 % of the wobble is gone.',
            ('share of the wobble that the full batch removes', 0.93, 0.5),
            'Take 32 windows in a step.',
            ['same', 'full_batch', 'larger_batch'],
            config={'batch_size': 32},
        ),
        _verdict(
            'uninformative_input',
            0.71,
            'Level, shape and step of the signal as inputs lift the held-out accuracy from 0.41 to 0.74.',
            ('gain in balanced accuracy', 0.33, 0.08),
            'Give the network derived inputs and hand statistics.',
            ['as_configured', 'rich_inputs'],
            config={'network': {'inputs': 'derived', 'statistics': True, 'pooling': 'mean_max'}},
        ),
        _verdict(
            'mislabelled_windows',
            0.52,
            'Without the 5 flagged windows the held-out loss is 0.21 nat lower than without 5 random ones.',
            ('gain over leaving out random windows', 0.21, 0.05, 'nat'),
            'Look at these windows and correct their labels.',
            ['as_configured'],
            command='surface dataset relabel data/floors --windows 3,17,40,66,81 -o data/floors_checked',
            windows=[3, 17, 40, 66, 81],
        ),
        _verdict(
            'recording_leakage',
            0.3,
            'Shuffled windows score 0.16 higher than whole recordings.',
            ('gain of shuffled over grouped folds', 0.16, 0.1),
            'Hold out whole recordings.',
            ['grouped', 'shuffled'],
            config={'validation_split': 'recording'},
        ),
    ]


def diagnosis(*, digest: str = '5e1f' * 16, windows: int = 98, path: str = 'data/floors') -> dict[str, Any]:
    """A diagnosis with several causes, open questions and suspected labels."""
    rng = np.random.default_rng(0)
    wobbly = _curve(rng, 1.75, 0.35, 0.22)
    steps = np.concatenate([value * np.exp(rng.normal(0.0, 0.45, STEPS_PER_EPOCH)) for value in wobbly])
    by_epoch = steps.reshape(EPOCHS, STEPS_PER_EPOCH)
    return {
        'verdicts': _verdicts(),
        'cannot_tell': [
            {
                'id': 'aliasing',
                'why': 'The windows were imported as bare arrays, so the signal before its decimation is not known.',
                'supply': 'the recordings at their full rate, with `surface dataset build`',
            },
            {
                'id': 'bad_sensor',
                'why': 'There is one channel only, so a copy of another cannot be found.',
                'supply': 'all channels of the robot',
            },
        ],
        'arms': _arms(rng, wobbly),
        'run': {
            'epochs': [
                {'epoch': index + 1, 'loss': float(np.mean(losses)), 'loss_noise': float(np.std(losses))}
                for index, losses in enumerate(by_epoch)
            ],
            'step_losses': steps.tolist(),
            'steps_per_epoch': STEPS_PER_EPOCH,
        },
        'fluctuation': {'rising_share': 0.47, 'detrended_log_std': 0.213},
        'suspected': [
            {'window': 3, 'label': 'carpet', 'probable': 'grass', 'probability': 0.93},
            {'window': 17, 'label': 'concrete', 'probable': 'tiles', 'probability': 0.88},
            {'window': 40, 'label': 'grass', 'probable': 'gravel', 'probability': 0.97},
            {'window': 66, 'label': 'gravel', 'probable': 'carpet', 'probability': 0.74},
            {'window': 81, 'label': 'parquet', 'probable': 'tiles', 'probability': 0.69},
        ],
        'dataset': {'path': path, 'digest': digest, 'windows': windows, 'classes': list(SURFACES)},
        'config': CONFIG,
        'seed': 0,
        'seconds': 41.7,
        'command': f'surface diagnose {path} --config fluctuating-loss-large-rmsprop-4',
    }


def healthy_diagnosis() -> dict[str, Any]:
    """A diagnosis that found nothing."""
    rng = np.random.default_rng(1)
    result = diagnosis()
    losses = _curve(rng, 1.7, 0.08, 0.02)
    result['arms'] = {'as_configured': _arm(rng, 'the training as configured', losses, 0.05, 0.81)}
    result['run'] = {'epochs': [{'epoch': index + 1, 'loss': float(loss)} for index, loss in enumerate(losses)]}
    result['suspected'] = []
    result['cannot_tell'] = []
    result['verdicts'] = [
        _verdict(
            'healthy',
            0.9,
            'The loss deviates from its trend by 2 % of itself, and that costs no accuracy.',
            ('wobble', 0.02, 0.05),
            'Nothing needs to be changed.',
            ['as_configured'],
        )
    ]
    return result


def evaluation(
    classes: tuple[str, ...] = SURFACES, lstm_wrong_every: int = 10, trees_wrong_every: int = 4
) -> dict[str, Any]:
    """Scores by recording in which a model takes every so-manieth window of a class for the next class."""
    return {
        'classes': list(classes),
        'windows': 123,
        'recordings': len(classes),
        'protocol': '1 fold by recording',
        'notes': [],
        'provenance': {'dataset_digest': '5e1f' * 16},
        'seconds': 1.0,
        'lstm': model_result(classes, lstm_wrong_every, epochs=True),
        'trees': model_result(classes, trees_wrong_every),
        'nearest_mean': None,
        'majority': None,
    }


def model_result(classes: tuple[str, ...], wrong_every: int, epochs: bool = False) -> dict[str, Any]:
    """A model that takes every `wrong_every`-th window of a class for the next class."""
    predictions: dict[str, Any] = {}
    for index, name in enumerate(classes):
        truth = np.full(40, index)
        predicted = truth.copy()
        predicted[::wrong_every] = (index + 1) % len(classes)
        predictions[f'{name.upper()}/00'] = {'fold': 0, 'truth': truth.tolist(), 'predicted': predicted.tolist()}
    truth = np.concatenate([entry['truth'] for entry in predictions.values()])
    predicted = np.concatenate([entry['predicted'] for entry in predictions.values()])
    values = metrics.scores(truth, predicted)
    entry: dict[str, Any] = {
        **values,
        'per_fold': [{'fold': 0, 'seed': 0, **values, 'windows': len(truth)}],
        'per_class': metrics.per_class_scores(truth, predicted, classes),
        'confusion': metrics.confusion(truth, predicted, len(classes)),
        'predictions': predictions,
    }
    if epochs:
        curve = [(fold, epoch) for fold in range(2) for epoch in (1, 2, 3)]
        scores = {'validation_loss': None, 'validation_accuracy': 0.5}
        entry['epochs'] = [
            {'fold': fold, 'seed': 0, 'epoch': epoch, 'loss': 1 / epoch, **scores} for fold, epoch in curve
        ]
    return entry


def sweep() -> dict[str, Any]:
    """Thirty trials over batch size, rate and optimiser, with pruned ones and one that failed."""
    rng = np.random.default_rng(2)
    trials: list[dict[str, Any]] = []
    for number in range(30):
        params: dict[str, Any] = {
            'batch_size': int(rng.choice([4, 8, 16, 32, 64])),
            'learning_rate': float(10 ** rng.uniform(-4, -1.5)),
            'optimizer': str(rng.choice(['adamw', 'rmsprop', 'sgd'])),
        }
        value = (
            0.78
            - 0.12 * (np.log10(params['learning_rate']) + 2.6) ** 2
            - 0.02 * abs(np.log2(params['batch_size'] / 16))
        )
        state = 'FAIL' if number == 7 else 'PRUNED' if number % 6 == 5 else 'COMPLETE'
        trials.append(
            {
                'number': number,
                'value': float(value + rng.normal(0, 0.02)) if state == 'COMPLETE' else None,
                'params': params,
                'state': state,
            }
        )
    best = max((trial for trial in trials if trial['value'] is not None), key=lambda trial: float(trial['value']))
    return {
        'study': 'floors',
        'trials': trials,
        'importances': {'learning_rate': 0.64, 'batch_size': 0.27, 'optimizer': 0.09},
        'best': {key: best[key] for key in ('number', 'value', 'params')},
        'protocol': 'mean balanced accuracy; 5 folds by recording; 18 of 98 windows kept out of the search',
        'budget': '120 epochs at most in every trial: a smaller batch makes more steps of them, which favours it',
        'holdout': {
            'windows': 18,
            'best': {'search': best['value'], 'held_out': [0.71, 0.74, 0.69]},
            'recipe': {'search': 0.66, 'held_out': [0.65, 0.62, 0.68]},
            'trees': {'search': 0.70, 'held_out': [0.73]},
        },
        'notes': [],
        'config': {**CONFIG, **best['params']},
        'dataset': {'path': 'data/floors', 'digest': '5e1f' * 16, 'windows': 98, 'classes': list(SURFACES)},
        'command': 'surface sweep data/floors -o sweeps/floors --trials 30',
    }


def _curve(rng: np.random.Generator, start: float, end: float, wobble: float) -> Any:
    epochs = np.arange(EPOCHS)
    return (end + (start - end) * np.exp(-epochs / 35)) * np.exp(rng.normal(0.0, wobble, EPOCHS))


def _arm(
    rng: np.random.Generator, description: str, loss: Any, spread: float, accuracy: float, *, forked: bool = False
) -> dict[str, Any]:
    low, high = (np.exp(sign * np.abs(rng.normal(spread, spread / 3, len(loss)))) for sign in (-1, 1))
    return {
        'description': description,
        'forked': forked,
        'first_epoch': EPOCHS // 2 + 1 if forked else 1,
        'loss': loss.tolist(),
        'loss_low': (loss * low).tolist(),
        'loss_high': (loss * high).tolist(),
        'accuracy': accuracy,
    }


def _verdict(
    cause: str,
    strength: float,
    text: str,
    number: tuple[Any, ...],
    remedy: str,
    arms: list[str],
    *,
    config: dict[str, Any] | None = None,
    command: str | None = None,
    windows: list[int] | None = None,
) -> dict[str, Any]:
    name, value, threshold, unit = (*number, '1')[:4]
    return {
        'id': cause,
        'strength': strength,
        'evidence': {'text': text, 'name': name, 'value': value, 'unit': unit, 'threshold': threshold},
        'remedy': {'text': remedy, 'config': config, 'command': command},
        'arms': arms,
        'windows': windows or [],
    }
