# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The child process in which the trainer node trains, so that neither torch nor a long computation is in the node.

The parent writes the goal as one JSON object to standard input and keeps it open; the child answers with one JSON
object a line on standard output: `stage`, `epoch`, then `result` or `error`. The end of standard input means that the
parent is gone, and SIGTERM that the goal is cancelled: both end the child, which leaves no half-written model behind.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO

from current_driver.errors import SurfaceError

EXIT_CANCELLED = 3


def main() -> int:
    """Serve one goal; return 0, or 1 when it failed."""
    # Whatever a library prints must not end up between the lines of the protocol.
    answers = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _cancel)
    goal = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answer = _train(goal, answers)
    except SurfaceError as error:
        _tell(answers, 'error', message=str(error))
        return 1
    except Exception as error:
        _tell(answers, 'error', message=f'{type(error).__name__}: {error}')
        raise
    _tell(answers, 'result', **answer)
    return 0


def _train(goal: Mapping[str, Any], answers: TextIO) -> dict[str, Any]:
    """Build the data set if the goal names recordings, train, and return the result's fields."""
    begin_s = time.monotonic()
    model = Path(goal['model'])
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.training.config import load_training_config

    config = load_training_config(goal['config'] or 'default')
    if goal['recordings']:
        _tell(answers, 'stage', stage='dataset', epochs=config.epochs)
        dataset = _build_dataset(goal['recordings'], model.with_name(f'{model.name}.dataset'))
    else:
        dataset = Dataset.load(goal['dataset'])

    _tell(answers, 'stage', stage='train', epochs=config.epochs)
    from surface_classifier.training.loop import EpochResult
    from surface_classifier.training.train_model import train_model

    def on_epoch(epoch: EpochResult) -> None:
        _tell(answers, 'epoch', **asdict(replace(epoch)))
        if epoch.epoch == epoch.epochs:
            _tell(answers, 'stage', stage='export', epochs=epoch.epochs)

    contract, _ = train_model(dataset, model, config, goal['seed'], on_epoch=on_epoch)
    return {
        'model': str(model),
        'model_digest': contract.weights_sha256,
        'accuracy': contract.scores.get('accuracy', math.nan),
        'balanced_accuracy': contract.scores.get('balanced_accuracy', math.nan),
        'duration': time.monotonic() - begin_s,
    }


def _build_dataset(recordings: list[str], target: Path) -> Any:
    from surface_classifier.data.dataset_builder import build_dataset, motor_window_config
    from surface_classifier.data.recording import find_recordings

    found = find_recordings(recordings)
    return build_dataset(found, motor_window_config(found), target).dataset


def _tell(answers: TextIO, event: str, **values: Any) -> None:
    answers.write(json.dumps({'event': event, **values}) + '\n')
    answers.flush()


def _cancel(_number: int, _frame: FrameType | None) -> NoReturn:
    # An exception, so that what is half written is removed on the way out.
    raise SystemExit(EXIT_CANCELLED)


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == '__main__':
    sys.exit(main())
