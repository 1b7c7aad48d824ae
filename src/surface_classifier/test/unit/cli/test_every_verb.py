# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Every verb of `surface`, sub-verbs included: a result for machines on small inputs, and a sentence for bad input."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import pytest

from surface_classifier.cli.main import VERBS, build_parser, main

# The first test makes the inputs of all, with a model.
pytestmark = pytest.mark.timeout(600)

# Verbs that show a running graph, or draw on it: their result is a view or a bag. `test/node` runs them.
LIVE = ('record', 'watch')

# For each verb: arguments, and keys of the result. WORK, FOREIGN: folders of `conftest.py`; OUT: a folder of the test.
QUICK = '--epochs 1 --folds 2'
RESULTS: Mapping[str, tuple[str, str]] = {
    'simulate': ('-o OUT/drive --duration 6 --seconds-per-surface 3', 'path seed seconds surfaces messages'),
    'import csv': ('FOREIGN/csv -o OUT/bags', 'classes excluded'),
    'import arrays': ('FOREIGN/X.npy FOREIGN/Y.npy -o OUT/set', 'windows classes digest'),
    'dataset build': ('WORK/recordings -o OUT/set', 'windows recordings warnings'),
    'dataset check': ('WORK/recordings/drive_0 --random-cuts 1', 'equal windows seed recordings'),
    'dataset info': ('WORK/data --folds 2', 'windows classes channel_faults power_above_nyquist folds'),
    'dataset plot': ('WORK/data -o OUT/set.png', 'picture'),
    'dataset relabel': ('WORK/data -o OUT/set --recordings drive_0 --to mud --new-class', 'relabelled windows history'),
    'dataset drop': ('WORK/data -o OUT/set --recordings drive_0', 'left_out windows'),
    'dataset merge': ('OUT/parts/a OUT/parts/b -o OUT/set', 'windows warnings'),
    'dataset split': ('WORK/data -o OUT/set --parts a=0.5,b=0.5', 'of seed parts'),
    'dataset balance': ('WORK/data -o OUT/set', 'windows classes'),
    'train': ('WORK/data -o OUT/model --epochs 1', 'model model_digest scores training seed epochs'),
    'evaluate': (f'WORK/data {QUICK} --streams', 'lstm trees comparison streams protocol provenance command'),
    'leave-out': (f'WORK/three --by surface {QUICK}', 'groups overall protocol notes command'),
    'test': ('WORK/model WORK/data', 'lstm trees comparison protocol provenance command'),
    'diagnose': ('WORK/data --config WORK/recipe.yaml', 'verdicts arms cannot_tell run'),
    'reproduce fluctuating-loss': ('-o OUT/forum --no-runs', 'settings answers claims arms runs planned_runs'),
    'reproduce borealtc-protocol': ('OUT/pieces --epochs 1', 'lstm trees protocol provenance command'),
    'report': ('WORK/train.json WORK/model -o OUT/page.html', 'report title inputs command'),
    'sweep': (f'WORK/data -o OUT/sweep --trials 1 --holdout 0 {QUICK}', 'study trials best config command'),
    'adapt': ('WORK/model WORK/recordings/drive_0 -o OUT/adapted', 'windows labelled'),
    'classify': ('WORK/model WORK/recordings/drive_0', 'recordings accuracy confusion unknown model_digest engine'),
    'recover': ('FOREIGN/cut -o OUT/whole', 'bags'),
    'inspect': ('WORK/recordings/drive_0', 'topics guesses channels_file'),
    'info': ('WORK/model', 'kind takes classes training weights_sha256'),
}
# For each verb: arguments that it must refuse, and a part of the sentence. NOTHING: a path where nothing is.
REFUSALS: Mapping[str, tuple[str, str]] = {
    'simulate': ('-o OUT/drive --surfaces lava', "unknown surface 'lava'"),
    'import csv': ('NOTHING -o OUT/bags', 'NOTHING'),
    'import arrays': ('NOTHING FOREIGN/Y.npy -o OUT/set', 'NOTHING'),
    'dataset build': ('NOTHING -o OUT/set', 'NOTHING'),
    'dataset check': ('NOTHING', 'NOTHING'),
    'dataset info': ('NOTHING', 'NOTHING'),
    'dataset plot': ('NOTHING -o OUT/set.png', 'NOTHING'),
    'dataset relabel': ('NOTHING -o OUT/set --recordings a --to mud', 'NOTHING'),
    'dataset drop': ('NOTHING -o OUT/set --recordings a', 'NOTHING'),
    'dataset merge': ('NOTHING WORK/data -o OUT/set', 'NOTHING'),
    'dataset split': ('NOTHING -o OUT/set --parts a=0.5,b=0.5', 'NOTHING'),
    'dataset balance': ('NOTHING -o OUT/set', 'NOTHING'),
    'train': ('NOTHING -o OUT/model', 'NOTHING'),
    'evaluate': ('WORK/data --folds-file NOTHING', 'NOTHING'),
    'leave-out': ('WORK/data --by motion --folds 2', 'no part of its windows measures how the robot moved'),
    'test': ('NOTHING WORK/data', 'NOTHING'),
    'diagnose': ('WORK/data --config NOTHING', 'NOTHING is neither a file nor one of the presets'),
    'reproduce fluctuating-loss': ('-o WORK/recipe.yaml/forum', 'recipe.yaml/forum/runs: cannot be made'),
    'reproduce borealtc-protocol': ('WORK/data', 'needs pieces of 500 samples at 100 Hz'),
    'report': ('NOTHING -o OUT/page.html', 'NOTHING is not there'),
    'sweep': ('WORK/data -o WORK/recipe.yaml', 'recipe.yaml: is a file'),
    'adapt': ('WORK/model NOTHING -o OUT/adapted', 'NOTHING'),
    'classify': ('WORK/model NOTHING', 'NOTHING'),
    'record': ('--speeds fast', "--speeds 'fast': must be rising speeds"),
    'recover': ('NOTHING', 'NOTHING'),
    'inspect': ('drive_9', 'drive_9: no such recording'),
    'info': ('NOTHING', 'NOTHING'),
}


def leaf_parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield every command that does something, such as `dataset split`, with its parser."""

    def below(name: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
        groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not groups:
            yield name, parser
        for group in groups:
            for word, inner in group.choices.items():
                yield from below(f'{name} {word}', inner)

    for verb in VERBS:
        (group,) = (action for action in build_parser(verb)._actions if isinstance(action, argparse._SubParsersAction))
        yield from below(verb, group.choices[verb])


COMMANDS = dict(leaf_parsers())


@pytest.fixture
def words(work: Path, foreign: Path, tmp_path: Path) -> Callable[[str, str], list[str]]:
    """Function that gives the words of a command, with the folders of this test in the place of their names."""
    places = {'WORK': work, 'FOREIGN': foreign, 'OUT': tmp_path, 'NOTHING': tmp_path / 'nothing'}

    def put_in(command: str, arguments: str) -> list[str]:
        found = []
        for word in arguments.split():
            name, slash, rest = word.partition('/')
            found.append(f'{places[name]}{slash}{rest}' if name in places else word)
        return [*command.split(), *found]

    return put_in


def test_every_command_is_in_the_tables() -> None:
    assert set(RESULTS) == set(COMMANDS) - set(LIVE)
    # What `watch` takes is checked by its parser alone.
    assert set(REFUSALS) == set(COMMANDS) - {'watch'}


@pytest.mark.parametrize('command', sorted(set(COMMANDS) - set(LIVE)))
def test_every_command_writes_a_result_for_machines(command: str) -> None:
    assert '--json' in COMMANDS[command]._option_string_actions


@pytest.mark.requires('mcap', 'rosbags')
@pytest.mark.slow
@pytest.mark.parametrize('command', sorted(RESULTS))
def test_the_result_is_all_of_the_standard_output(
    command: str, words: Callable[[str, str], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if command == 'dataset merge':
        assert main(words('dataset split', 'WORK/data -o OUT/parts --parts a=0.5,b=0.5')) == 0
    if command == 'reproduce borealtc-protocol':
        write_pieces(tmp_path / 'pieces')
    arguments, keys = RESULTS[command]
    capsys.readouterr()
    code = main([*words(command, arguments), '--json', '-'])
    # A diagnosis that names a cause ends with 1.
    assert code in ((0, 1) if command == 'diagnose' else (0,))
    result = json.loads(capsys.readouterr().out, parse_constant=_no_constant)
    assert set(keys.split()) <= result.keys()


def _no_constant(name: str) -> NoReturn:
    pytest.fail(f'{name} is no JSON')


def write_pieces(path: Path) -> None:
    """Write five pieces of 5 s of each of two surfaces, as `surface reproduce borealtc-protocol` takes them."""
    window = path.with_suffix('.yaml')
    window.write_text(
        'window: {samples: 500, stride: 500}\n'
        'parts: [{name: motor, sample_rate_hz: 100, channels: [{name: left, topic: motor_current, '
        "type: surface_msgs/msg/MotorCurrent, field: 'current[left]'}]}]\n",
        encoding='utf-8',
    )
    drives = path.with_name('drives')
    options = ['--surfaces', 'carpet', 'grass', '--seconds-per-surface', '35']
    assert main(['simulate', '-o', str(drives / 'a'), *options]) == 0
    assert main(['dataset', 'build', str(drives), '-o', str(path), '--channels', str(window)]) == 0


@pytest.mark.parametrize('command', sorted(REFUSALS))
def test_bad_input_is_refused_in_a_sentence(
    command: str, words: Callable[[str, str], list[str]], tmp_path: Path, refused: Callable[..., str]
) -> None:
    arguments, part = REFUSALS[command]
    expected = part.replace('NOTHING', str(tmp_path / 'nothing'))
    assert expected in refused(*words(command, arguments))
    assert list(tmp_path.iterdir()) == [], 'nothing is left of a refused command'


def test_watch_refuses_a_count_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(['watch', '--count', '0'])
    assert exit_info.value.code == 2
    assert "argument --count: '0' is not at least 1" in capsys.readouterr().err
