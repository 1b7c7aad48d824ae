# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The command's frame: lazy verbs, exit codes, and help that ends with an example."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from current_driver.errors import SurfaceError
from surface_classifier.cli import main as command
from surface_classifier.cli.parsing import add_command, positive_float, positive_int, write_json


def fake_verb(monkeypatch: pytest.MonkeyPatch, outcome: BaseException | int) -> None:
    """Make `surface info` raise or return something."""

    class Module:
        @staticmethod
        def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
            parser = add_command(subparsers, 'info', help='test', examples='surface info')
            parser.set_defaults(run=Module.run)

        @staticmethod
        def run(_: argparse.Namespace) -> int:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

    monkeypatch.setattr(importlib, 'import_module', lambda _: Module)


def test_bad_input_is_one_sentence_and_exit_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_verb(monkeypatch, SurfaceError('a.csv: is empty; add rows'))
    assert command.main(['info']) == 2
    assert capsys.readouterr() == ('', 'surface: error: a.csv: is empty; add rows\n')


@pytest.mark.parametrize(
    ('outcome', 'code', 'text'),
    [
        (0, 0, ''),
        (1, 1, ''),
        (KeyboardInterrupt(), 130, 'interrupted'),
        (ModuleNotFoundError("No module named 'torch'", name='torch'), 2, 'python3 -m venv'),
        (ModuleNotFoundError("No module named 'safetensors.torch'", name='safetensors.torch'), 2, 'python3 -m venv'),
        (ModuleNotFoundError("No module named 'onnxruntime'", name='onnxruntime'), 2, 'pip install onnxruntime'),
        (ModuleNotFoundError("No module named 'rosbags.rosbag2'", name='rosbags.rosbag2'), 2, 'pip install rosbags'),
        (ModuleNotFoundError("No module named 'mcap.reader'", name='mcap.reader'), 2, 'pip install mcap'),
        (ModuleNotFoundError("No module named 'rclpy._x'", name='rclpy._x'), 2, 'source'),
    ],
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outcome: BaseException | int,
    code: int,
    text: str,
) -> None:
    fake_verb(monkeypatch, outcome)
    assert command.main(['info']) == code
    assert text in capsys.readouterr().err


def test_an_error_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_verb(monkeypatch, ModuleNotFoundError("No module named 'nonsense'", name='nonsense'))
    with pytest.raises(ModuleNotFoundError):
        command.main(['info'])


def test_the_version_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        command.main(['--version'])
    assert exit_info.value.code == 0
    assert capsys.readouterr().out == f'surface {command.version()}\n'


@pytest.mark.requires('mcap', 'rosbags')
def test_an_unknown_verb_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        command.main(['drive'])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert 'drive' in error
    assert 'simulate' in error


@pytest.mark.parametrize('verb', sorted(command.VERBS))
def test_help_of_every_verb_ends_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        command.main([verb, '--help'])
    assert exit_info.value.code == 0
    text = capsys.readouterr().out
    assert text[text.index('example:') :].count(f'surface {verb}') >= 1


def test_the_list_of_verbs_says_what_each_verb_says_itself() -> None:
    for name, verb in command.VERBS.items():
        subparsers = argparse.ArgumentParser().add_subparsers()
        importlib.import_module(f'surface_classifier.cli.{verb.module}').add_parser(subparsers)
        (choice,) = subparsers._choices_actions
        assert (choice.dest, choice.help) == (name, verb.help)


@pytest.mark.requires('mcap', 'rosbags')
def test_help_and_version_import_no_heavy_package() -> None:
    code = (
        'import sys\nfrom surface_classifier.cli.main import build_parser\n'
        "build_parser('dataset')\nbuild_parser('import')\nbuild_parser('simulate')\n"
        "print([name for name in ('numpy', 'torch', 'rclpy', 'rich', 'rosbags') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == '[]'


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    code = (
        'import sys\nfrom surface_classifier.cli import main\n'
        'class Verb:\n'
        '    def add_parser(subparsers):\n'
        "        subparsers.add_parser('info').set_defaults(run=Verb.run)\n"
        '    def run(args):\n'
        "        print('line\\n' * 100000)\n"
        '        return 0\n'
        'main.importlib.import_module = lambda _: Verb\n'
        "sys.exit(main.main(['info']))\n"
    )
    script = tmp_path / 'script.py'
    script.write_text(code)
    result = subprocess.run(
        f'{sys.executable} {script} | head -1', shell=True, capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout == 'line\n'
    assert result.stderr == ''


def test_json_has_no_nan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = {'a': float('nan'), 'b': [1.5, float('inf')], 'c': {'d': (1, None)}}
    write_json(result, str(tmp_path / 'new' / 'result.json'))
    plain = {'a': None, 'b': [1.5, None], 'c': {'d': [1, None]}}
    assert json.loads((tmp_path / 'new' / 'result.json').read_text()) == plain
    write_json(result, '-')
    assert json.loads(capsys.readouterr().out) == plain
    (tmp_path / 'file').write_text('')
    with pytest.raises(SurfaceError, match='the result cannot be written there'):
        write_json(result, str(tmp_path / 'file' / 'result.json'))


@pytest.mark.parametrize('text', ['0', '-1', 'x', '1.5'])
def test_a_positive_int_is_one(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=text):
        positive_int(text)


@pytest.mark.parametrize('text', ['0', '-1', 'x', 'nan', 'inf'])
def test_a_positive_float_is_one(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=text):
        positive_float(text)


def test_recover_names_the_packages_that_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, 'rosbags', None)
    assert command.main(['recover', str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert 'reading bags needs packages that are not installed: rosbags;' in message
    assert message.endswith('VENV/bin/pip install rosbags\n')


@pytest.mark.parametrize('module', ['torch', 'onnxscript', 'optuna', 'onnxruntime', 'sklearn', 'mcap', 'lz4'])
def test_what_a_verb_lacks_comes_with_a_command(module: str) -> None:
    remedy = command.missing_module_remedy(module)
    assert 'python3 -m venv --system-site-packages VENV && VENV/bin/pip install' in remedy
    assert 'needs it' in remedy or 'need it' in remedy


def test_an_unknown_module_has_no_remedy() -> None:
    assert command.missing_module_remedy('no_such_module') == ''
