# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Entry point of the `surface` command: finds the verb, imports its module alone, and turns errors into exit codes.

A verb is a module in this package with `add_parser(subparsers)` and `run(args) -> int`. Only the module of the verb
that was typed is imported, and verbs import numpy, torch and rclpy inside `run`, so that `surface --help` answers at
once and `surface dataset` needs no torch.

Exit codes: 0 done, 1 the verb says no (its own meaning), 2 wrong input or usage, 130 interrupted (Ctrl-C), 143
terminated (SIGTERM).
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from types import FrameType
from typing import NamedTuple, NoReturn

from current_driver.errors import SurfaceError
from current_driver.files.plain_text import plain_output
from current_driver.optional_packages import BAG_PACKAGES, environment_remedy, install_command, training_command

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

# What the disk may say in the middle of any verb's work.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


class Verb(NamedTuple):
    """One verb of the command: the module that holds it, and its line in `surface --help`."""

    module: str
    help: str


VERBS: dict[str, Verb] = {
    'simulate': Verb('simulate', 'drive a simulated robot over several surfaces and record it'),
    'import': Verb('import_data', 'turn CSV files into recordings, or NumPy arrays into a data set'),
    'dataset': Verb('dataset.verbs', 'cut recordings into a data set of windows, look at one, edit it'),
    'train': Verb('train', 'train an LSTM on a data set'),
    'evaluate': Verb('evaluate', 'score the LSTM beside simple baselines, by recording'),
    'leave-out': Verb('leave_out', 'train without each surface or motion: is it detected as unknown?'),
    'test': Verb('test', 'score a finished model on a data set it was not trained on'),
    'diagnose': Verb('diagnose', 'say by experiment why a training behaves as it does'),
    'reproduce': Verb(
        'reproduce.verbs', 'run a published set-up again: the fluctuating loss, the protocol of BorealTC'
    ),
    'report': Verb('report', 'put a diagnosis, scores, a sweep and a model on one HTML page'),
    'sweep': Verb('sweep', 'search batch size, learning rate and more for a data set'),
    'adapt': Verb('adapt', 'fit a trained model to another robot from minutes of its drives'),
    'classify': Verb('classify', 'label a recording or a data set with a trained model'),
    'record': Verb('record', 'record a drive and label it by keys, with what is still missing in view'),
    'recover': Verb('recover', 'repair a bag whose recorder was killed'),
    'watch': Verb('watch', 'show the labels of the running graph in the terminal'),
    'inspect': Verb('inspect', "list the topics of a recording or a robot, and find the motors' current"),
    'info': Verb('info', 'say what a recording, data set or model holds'),
}

# Commands of earlier versions, and what to type now.
RENAMED: dict[tuple[str, ...], str] = {('reproduce', 'seed'): 'surface reproduce fluctuating-loss'}

EXAMPLES = """\
example, from a simulated drive to a model:
  surface simulate -o recordings/drive_1 --seed 1
  surface simulate -o recordings/drive_2 --seed 2
  surface dataset build recordings -o data/simulated
  surface train data/simulated -o models/simulated
  surface classify models/simulated recordings/drive_2

`surface VERB --help` describes one verb.
"""

# What needs a module that the robot's part does without, by the module that is missing.
_TRAINING_MODULES = {
    'torch': 'training and the torch engine need it',
    'onnx': 'saving a model needs it',
    'onnxscript': 'saving a model needs it',
    'safetensors': 'saving a model needs it',
    'optuna': 'sweeps need it',
    'sqlalchemy': 'sweeps need it',
}
_OTHER_MODULES = {
    'onnxruntime': ('engine onnx needs it', 'onnxruntime'),
    'sklearn': ('the baselines need it', 'scikit-learn'),
    'scipy': ('the baselines need it', 'scipy'),
    'matplotlib': ('reports and pictures need it', 'matplotlib'),
    'jinja2': ('reports need it', 'jinja2'),
} | {name: ('reading bags needs it', name) for name in BAG_PACKAGES}
_LIVE = 'run `make setup build`, or source your ROS 2 installation and install/setup.bash'
_LIVE_MODULES = {'rclpy': 'live verbs need ROS 2', 'surface_msgs': 'live verbs need the built messages'}


def missing_module_remedy(module: str) -> str:
    """Return why a verb needs a module that is not installed and how to install it; empty for an unknown module.

    Args:
        module: Name of the top-level module.
    """
    if module in _TRAINING_MODULES:
        command = training_command()
        return f'{_TRAINING_MODULES[module]}: in a clone run `make setup`, or {environment_remedy(command)}'
    if module in _OTHER_MODULES:
        why, package = _OTHER_MODULES[module]
        return f'{why}: in a clone run `make setup`, or {environment_remedy(install_command([package]))}'
    return f'{_LIVE_MODULES[module]}: {_LIVE}' if module in _LIVE_MODULES else ''


def version() -> str:
    """Version of the installed package, or `unknown` when it runs from a source tree that is not installed."""
    try:
        return metadata.version('surface_classifier')
    except metadata.PackageNotFoundError:
        return 'unknown'


def build_parser(verb: str | None = None) -> argparse.ArgumentParser:
    """Build the parser of the whole command.

    Args:
        verb: The verb whose arguments are needed; the others are listed by name only, without importing them.
    """
    parser = argparse.ArgumentParser(
        prog='surface',
        description='Classify the surface under a robot from its motor current: record, train, test, classify.',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'surface {version()}')
    subparsers = parser.add_subparsers(dest='verb', metavar='VERB', required=True, title='verbs')
    for name, entry in VERBS.items():
        if name == verb:
            importlib.import_module(f'{__package__}.{entry.module}').add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=entry.help, add_help=False)
    return parser


class _Terminated(BaseException):
    """The process was asked to end (SIGTERM), or its terminal was closed (SIGHUP)."""


def _raise_terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


@contextmanager
def _terminated_by_exception() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a verb by an exception, on whose way out half-written results are removed.

    SIGHUP stays ignored under `nohup`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python takes signals in the main thread only
        return
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, _raise_terminated) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the program's name; those of the process when None.

    Returns:
        The exit code of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Names and notes come from files and from other machines; none may give the terminal a command.
    with plain_output():
        return _run(arguments)


def _run(arguments: list[str]) -> int:
    verb = next((argument for argument in arguments if not argument.startswith('-')), None)
    try:
        if (now := RENAMED.get(tuple(arguments[:2]))) is not None:
            raise SurfaceError(f'`surface {" ".join(arguments[:2])}` is now `{now}`')
        args = build_parser(verb).parse_args(arguments)
        args.arguments = arguments  # results hold the command that gave them
        with _terminated_by_exception():
            code = int(args.run(args))
        sys.stdout.flush()
        return code
    except SurfaceError as error:
        print(f'surface: error: {error}', file=sys.stderr)
        return EXIT_BAD_INPUT
    except ModuleNotFoundError as error:
        missing = (error.name or '').partition('.')[0]
        remedy = missing_module_remedy(missing)
        if not remedy:
            raise
        print(f'surface: error: {missing} is not installed; {remedy}', file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print('surface: interrupted', file=sys.stderr)
        return EXIT_INTERRUPTED
    except _Terminated:
        print('surface: terminated', file=sys.stderr)
        return EXIT_TERMINATED
    except BrokenPipeError:
        # The reader of our output (`| head`) has gone: nothing is wrong, and Python must not complain while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        place = f'{error.filename}: ' if error.filename else ''
        print(f'surface: error: {place}{error.strerror}; free space, or write elsewhere', file=sys.stderr)
        return EXIT_BAD_INPUT


if __name__ == '__main__':
    sys.exit(main())
