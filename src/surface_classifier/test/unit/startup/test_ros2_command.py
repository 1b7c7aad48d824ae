# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`ros2 surface …` passes every argument to the `surface` command and returns its exit status."""

import argparse

import pytest

from surface_classifier.startup.ros2_command import SurfaceCommand


def ros2(*arguments: str) -> int:
    """Parse a command line as ros2cli does, with a parser of the command below one of its own, and run it."""
    parser = argparse.ArgumentParser(prog='ros2')
    parser.add_argument('--use-python-default-buffering', action='store_true')
    below = parser.add_subparsers(dest='command')
    command = SurfaceCommand()
    command.add_arguments(below.add_parser('surface'), 'ros2 surface', argv=None)
    return command.main(parser=parser, args=parser.parse_args(['surface', *arguments]))


@pytest.mark.parametrize('arguments', [['--help'], ['info', '--help'], ['--version']])
def test_options_reach_the_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        ros2(*arguments)
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith(('usage: surface', 'surface '))


def test_wrong_input_ends_with_the_status_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert ros2('info', '/no/such/recording') == 2
    assert '/no/such/recording' in capsys.readouterr().err
