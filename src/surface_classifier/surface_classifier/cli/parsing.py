# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What every verb's parser shares: help with an example at its end, checked number types, and the `--json` result."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from current_driver.errors import SurfaceError
from current_driver.files.result_files import write_result
from surface_classifier.data.json_values import finite


def add_command(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    *,
    help: str,  # noqa: A002 - argparse's own word
    examples: str,
    description: str | None = None,
) -> argparse.ArgumentParser:
    """Add a verb's parser whose `--help` ends with examples.

    Args:
        subparsers: What `add_parser` of the verb's module was given.
        name: The verb as typed.
        help: One line for the list of verbs.
        examples: Command lines, one on each line, without indentation.
        description: Longer text at the top of the verb's own help; `help` when None.
    """
    lines = '\n'.join(f'  {line}' for line in examples.strip().splitlines())
    text = description or f'{help[:1].upper()}{help[1:]}.'
    return subparsers.add_parser(
        name,
        help=help,
        description=text,
        epilog=f'example:\n{lines}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


class _RenamedOption(argparse.Action):
    """Refuses an option of an earlier version and names what replaces it."""

    def __init__(self, *, now: str, **settings: Any) -> None:
        super().__init__(nargs='*', help=argparse.SUPPRESS, **settings)
        self._now = now

    def __call__(self, *_: object) -> None:
        raise SurfaceError(f'{self.option_strings[0]} is now `{self._now}`')


def add_renamed_option(parser: argparse.ArgumentParser, option: str, now: str) -> None:
    """Refuse an option of an earlier version with an error that names what replaces it; the help does not list it.

    Args:
        parser: The verb's parser.
        option: The option as it was typed.
        now: What to type now.
    """
    parser.add_argument(option, action=_RenamedOption, now=now)


class _HelpKeys(argparse.Action):
    """Prints a reference of the keys of a file, and ends as `--help` does."""

    def __init__(self, *, reference: Callable[[], str], **settings: Any) -> None:
        super().__init__(nargs=0, **settings)
        self._reference = reference

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(self._reference())
        parser.exit()


def add_keys_argument(parser: argparse.ArgumentParser, option: str, reference: Callable[[], str]) -> None:
    """Add `--help-keys`, which prints a reference of the keys of the YAML file that an option takes.

    Args:
        parser: The verb's parser.
        option: The option.
        reference: Gives the reference, from the declarations of the fields.
    """
    text = f'list every key of the file for {option} with its default, range, unit and meaning, and exit'
    parser.add_argument('--help-keys', action=_HelpKeys, reference=reference, help=text)


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--json FILE`, for `write_json`."""
    parser.add_argument('--json', metavar='FILE', help="write the result as JSON to FILE ('-': standard output)")


def add_executor_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--jobs N` and `--executor NAME`, for `data.executor.make_executor`.

    Args:
        parser: The verb's parser.
        what: What is done at once, for the help.
    """
    parser.add_argument('--jobs', metavar='N', type=positive_int, help=f'{what} (as many as pay, at most one a core)')
    add_executor_argument(parser)


def add_executor_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--executor NAME`, for `data.executor.make_executor`."""
    parser.add_argument(
        '--executor',
        choices=('local', 'ray'),
        default='local',
        help='where the work is done: this machine, or a Ray cluster (%(default)s)',
    )


def write_json(result: Mapping[str, Any], destination: str) -> None:
    """Write a verb's result for machines.

    NaN and infinite numbers, which JSON does not know, become null.

    Args:
        result: Plain values: dict, list, str, int, float, bool and None.
        destination: File name, or `-` for standard output.

    Raises:
        SurfaceError: The file cannot be written.
    """
    text = json.dumps(finite(result), indent=2, allow_nan=False) + '\n'
    if destination == '-':
        sys.stdout.write(text)
        return
    write_result(destination, text)


def positive_int(text: str) -> int:
    """Argument type: a whole number of at least 1."""
    value = _number(text, int, 'a whole number')
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not at least 1')
    return int(value)


def non_negative_int(text: str) -> int:
    """Argument type: a whole number of at least 0."""
    value = _number(text, int, 'a whole number')
    if value < 0:
        raise argparse.ArgumentTypeError(f'{text!r} is below 0')
    return int(value)


def positive_float(text: str) -> float:
    """Argument type: a finite number above 0."""
    value = _number(text, float, 'a number')
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f'{text!r} is not a number above 0')
    return float(value)


def non_negative_float(text: str) -> float:
    """Argument type: a finite number of at least 0."""
    value = _number(text, float, 'a number')
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of at least 0')
    return float(value)


def _number(text: str, kind: type[int] | type[float], what: str) -> float:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not {what}') from None
