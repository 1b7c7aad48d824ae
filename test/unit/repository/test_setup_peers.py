# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The tool that makes the environment of the benchmark's peers: what it installs and says, when it does nothing."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import setup_environment
import setup_peers
from setup_environment import Wanted

REQUIREMENTS = Path(__file__).resolve().parents[3] / 'requirements'
WANTED = Wanted('none', 'default', '', '', 'python', 'digest')


def test_every_peer_is_pinned_for_each_python() -> None:
    pins: dict[str, set[str]] = {}
    for line in (REQUIREMENTS / 'peers.txt').read_text(encoding='utf-8').splitlines():
        if not line or line.startswith('#'):
            continue
        found = re.fullmatch(r'([a-z0-9-]+)==[0-9.a-z]+(; .+)?', line)
        assert found is not None, line
        pins.setdefault(found[1], set()).update(re.findall(r"python_version == '(3\.\d+)'", line) or {'all'})
    for name in ('keras', 'jax', 'jaxlib', 'tensorflow-cpu'):
        assert pins[name] in ({'all'}, {'3.10', '3.11', '3.12', '3.13'}), name


def test_a_pin_is_in_one_file_only() -> None:
    names = [
        {line.split('==')[0] for line in (REQUIREMENTS / f'{name}.txt').read_text().splitlines() if '==' in line}
        for name in ('peers', 'constraints')
    ]
    assert not names[0] & names[1]


@pytest.mark.parametrize(
    ('wanted', 'said'),
    [
        (WANTED, ['Keras 3', '440 MB', '3 GB']),
        (replace(WANTED, torch='cpu'), ['200 MB']),
        (replace(WANTED, torch_spec='torch-x.whl'), ['torch-x.whl']),
    ],
)
def test_the_downloads_are_announced(wanted: Wanted, said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    setup_peers.announce(wanted, Path('.venv-peers'))
    output = capsys.readouterr().out
    assert all(text in output for text in said)


def test_torch_is_the_one_that_trains_ours() -> None:
    pin = setup_peers._torch_requirement(WANTED)
    assert pin in (REQUIREMENTS / 'torch.txt').read_text(encoding='utf-8').splitlines()
    assert setup_peers._torch_requirement(replace(WANTED, torch='cpu')) == f'{pin}+cpu'
    assert setup_peers._torch_requirement(replace(WANTED, torch_spec='torch==9')) == 'torch==9'


def test_an_environment_that_is_what_is_asked_for_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[Wanted] = []
    monkeypatch.setattr(sys, 'argv', ['setup_peers.py', '--venv', str(tmp_path)])
    monkeypatch.setattr(setup_peers, 'make_environment', lambda wanted, *_: made.append(wanted))
    assert setup_peers.main() == 0
    assert 'To download' in capsys.readouterr().out
    (tmp_path / 'setup.json').write_text(json.dumps(asdict(made[0])), encoding='utf-8')
    assert setup_peers.main() == 0
    assert len(made) == 1
    assert capsys.readouterr().out == ''
    (tmp_path / 'setup.json').write_text(json.dumps(asdict(replace(made[0], inputs='older'))), encoding='utf-8')
    assert setup_peers.main() == 0
    assert len(made) == 2
    assert 'up to date' in capsys.readouterr().out


def test_an_unknown_torch_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, 'argv', ['setup_peers.py', '--venv', str(tmp_path), '--torch', 'cuda'])
    assert setup_peers.main() == 2
    assert f'TORCH=cuda: not one of {", ".join(setup_environment.TORCH_CHOICES)}' in capsys.readouterr().err
