# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The child process in which the trainer node trains, so that neither torch nor a long computation is in the node.

The parent writes the goal as one JSON object to standard input and keeps it open; the child answers with one JSON
object a line on standard output: `stage`, `progress` and `epoch`, `trained` when the model is written, then `result` or
`error`. The end of standard input means that the goal is cancelled or the parent is gone. It ends the child at any
stage, which leaves nothing half written behind.

The child gives way to every other process, so that no sample is lost because a model is trained.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from current_driver.errors import SurfaceError
from current_driver.files.output_folders import claim_folder
from current_driver.optional_packages import require_training_packages
from surface_classifier.training_process.train_files import TrainFiles

if TYPE_CHECKING:
    from current_driver.recordings.recording import Recording
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.training.loop import EpochResult
    from surface_classifier.training.training_config import TrainingConfig

EXIT_CANCELLED = 3
# Time to end in order once cancelled; foreign code may swallow the exception that ends the process.
CANCEL_GRACE_S = 5.0
# Added to the node's own: the child gets a third of what a process of the node's niceness gets, where both want all.
NICENESS = 5
PROGRESS_PERIOD_S = 0.2
AUTOGROUP = Path('/proc/self/autogroup')


def main() -> NoReturn:
    """Serve one goal and end the process: with 0, with 1 when the goal failed, with 3 when it was cancelled."""
    # Whatever a library prints must not end up between the lines of the protocol.
    answers = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    _give_way()
    training = _Training(json.loads(sys.stdin.readline()), answers)
    threading.Thread(target=training.end_with_input, daemon=True).start()
    status = _serve(training)
    sys.stderr.flush()
    # Python's own way out takes torch apart first, which lasts for seconds where others need the processor.
    os._exit(status)


def _serve(training: _Training) -> int:
    try:
        training.run()
    except SurfaceError as error:
        training.fail(str(error))
        return 1
    except SystemExit:
        return EXIT_CANCELLED
    except Exception as error:
        if training.cancelled.is_set():
            return EXIT_CANCELLED
        training.fail(f'{type(error).__name__}: {error}')
        traceback.print_exc()
        return 1
    finally:
        training.clean_up()
    return 0


class _Training:
    """One goal on its way.

    Attributes:
        cancelled: Set when the goal is cancelled, or the parent is gone.
    """

    def __init__(self, goal: Mapping[str, Any], answers: TextIO) -> None:
        self.cancelled = threading.Event()
        self._goal = goal
        self._answers = answers
        self._files = TrainFiles(Path(goal['model']))
        self._builds_dataset = False
        self._epochs = 0
        self._told_s = 0.0

    def send(self, event: str, **values: Any) -> None:
        """Send one event to the parent."""
        self._answers.write(json.dumps({'event': event, **values}) + '\n')
        self._answers.flush()

    def fail(self, message: str) -> None:
        """Say why the goal cannot be met; the parent does not wait for this process any longer."""
        self.clean_up()
        self.send('error', message=message)

    def clean_up(self) -> None:
        """Remove what is unfinished."""
        self._files.remove_unfinished(os.getpid(), built_dataset=self._builds_dataset)

    def end_with_input(self) -> None:
        """Wait for the end of standard input, then end this process, and all that it has started, within a deadline."""
        while os.read(0, 4096):
            pass
        self.cancelled.set()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(CANCEL_GRACE_S)
        self.clean_up()
        # The parent made it the leader of a group of processes.
        os.killpg(os.getpid(), signal.SIGKILL)

    def run(self) -> None:
        """Build the data set if the goal names recordings, train, diagnose if asked to, and send the result."""
        begin_s = time.monotonic()
        goal, files = self._goal, self._files
        from current_driver.recordings.recording import find_recordings
        from surface_classifier.data.dataset import Dataset, check_dataset_target
        from surface_classifier.training.training_config import load_training_config

        # What stands in the way is reported before time is spent, on loading torch to begin with.
        require_training_packages()
        config = load_training_config(goal['config'] or 'default')
        self._epochs = config.epochs
        if goal['diagnose'] and files.diagnosis.exists():
            raise SurfaceError(f'{files.diagnosis} exists already; choose another name for the model, or remove it')
        if goal['recordings']:
            recordings = find_recordings(goal['recordings'])
            check_dataset_target(files.dataset, overwrite=False)
        else:
            dataset = Dataset.load(goal['dataset'])
        from surface_classifier.model.checkpoint import check_model_target
        from surface_classifier.training.train_model import train_model

        with claim_folder(files.model):
            check_model_target(files.model)
            if goal['recordings']:
                dataset = self._build_dataset(recordings)

        self._enter('train')
        on_epoch = self._epoch_teller(dataset, config)
        contract, _ = train_model(
            dataset, files.model, config, goal['seed'], on_epoch=on_epoch, cancelled=self.cancelled.is_set
        )
        self.send(
            'trained',
            model=str(files.model),
            model_digest=contract.weights_sha256,
            accuracy=contract.scores.get('accuracy', math.nan),
            balanced_accuracy=contract.scores.get('balanced_accuracy', math.nan),
        )
        findings = self._diagnose(dataset, config) if goal['diagnose'] else {}
        self.send('result', duration=time.monotonic() - begin_s, **findings)

    def _build_dataset(self, recordings: list[Recording]) -> Dataset:
        from surface_classifier.data.dataset_builder import build_dataset, motor_window_config, recording_seconds

        self._enter('dataset')
        whole_s = recording_seconds(recordings)
        done_s = 0.0

        def on_progress(seconds: float) -> None:
            nonlocal done_s
            done_s += seconds
            self._progress(f'{done_s:.0f} of {whole_s:.0f} s of recordings', done_s / whole_s if whole_s else math.nan)

        self._builds_dataset = True
        try:
            window_config = motor_window_config(recordings)
            return build_dataset(recordings, window_config, self._files.dataset, on_progress=on_progress).dataset
        except SurfaceError:
            self._builds_dataset = False  # what is there now, if anything, was put there by another process
            raise

    def _epoch_teller(self, dataset: Dataset, config: TrainingConfig) -> Callable[[EpochResult], None]:
        """Return what reports each epoch, with what the run looks like so far."""
        from surface_classifier.diagnosis.running_verdict import RunningJudge

        judge = RunningJudge.of_training(dataset, config, self._goal['seed'], self._goal['config'])

        def on_epoch(epoch: EpochResult) -> None:
            verdict = judge.add(epoch)
            self.send(
                'epoch',
                **asdict(epoch),
                progress=epoch.epoch / epoch.epochs,
                loss_low=verdict.loss_low,
                loss_high=verdict.loss_high,
                verdict=verdict.text,
            )
            if epoch.epoch == epoch.epochs:
                self._enter('export')

        return on_epoch

    def _diagnose(self, dataset: Dataset, config: TrainingConfig) -> dict[str, Any]:
        """Diagnose the training, write all of it beside the model, and return the result's fields."""
        self._enter('diagnose')
        from surface_classifier.diagnosis.diagnose import diagnose

        files = self._files
        try:
            diagnosis = diagnose(
                dataset, config, self._goal['seed'], on_progress=self._progress, cancelled=self.cancelled.is_set
            )
            files.write_diagnosis(diagnosis.to_dict())
        except SurfaceError as error:
            raise SurfaceError(f'{files.model} is trained, but its diagnosis failed: {error}') from error
        return {
            'verdicts': [verdict.id for verdict in diagnosis.verdicts],
            'strengths': [verdict.strength for verdict in diagnosis.verdicts],
            'evidence': [verdict.evidence.text for verdict in diagnosis.verdicts],
            'remedies': [verdict.remedy.text for verdict in diagnosis.verdicts],
            'cannot_tell': [entry.id for entry in diagnosis.cannot_tell],
            'diagnosis': str(files.diagnosis),
        }

    def _enter(self, stage: str) -> None:
        self.send('stage', stage=stage, epochs=self._epochs)

    def _progress(self, activity: str, share: float) -> None:
        """Send how far the stage is, but not more often than a person can read."""
        now_s = time.monotonic()
        if now_s - self._told_s >= PROGRESS_PERIOD_S:
            self._told_s = now_s
            self.send('progress', activity=activity, progress=share, epochs=self._epochs)


def _give_way() -> None:
    """Let every other process run first."""
    os.nice(NICENESS)
    # Linux weighs whole sessions against each other before it looks at the niceness of a process, and this process
    # leads a session of its own. Not every kernel does so, and it refuses a change that follows another at once.
    with contextlib.suppress(OSError):
        AUTOGROUP.write_text(str(NICENESS), encoding='ascii')


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    # An exception, so that what is half written is removed on the way out.
    raise SystemExit(EXIT_CANCELLED)


if __name__ == '__main__':
    main()
