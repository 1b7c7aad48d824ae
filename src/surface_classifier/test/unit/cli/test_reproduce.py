# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface reproduce`: the page, the JSON and the table of a tiny run, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surface_classifier.cli.main import main
from surface_classifier.reproduce import forum_runs
from surface_classifier.reproduce.forum_claims import forum_arms, forum_claims

REQUIRES = ('torch', 'jinja2', 'matplotlib', 'sklearn')

TINY = ['--epochs', '3', '--seeds', '1', '--windows', '12']


def test_a_tiny_run_gives_page_json_and_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, file = tmp_path / 'forum', tmp_path / 'result.json'
    command = ['reproduce', 'fluctuating-loss', '-o', str(folder), *TINY, '--json', str(file)]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert 'minutes of one core to run' in err
    assert f'{len(forum_arms(3))} of {len(forum_arms(3))} runs' in out
    for claim in forum_claims():
        assert claim.text in out
    assert (folder / 'fluctuating_loss.html').stat().st_size > 100_000
    values = json.loads(file.read_text())
    assert values['settings'] == {
        'generator': 'texture',
        'seeds': 1,
        'epochs': 3,
        'network': 'simple',
        'windows': 12,
        'samples': 100,
    }
    assert len(values['claims']) == len(forum_claims())

    assert main([*command[:-1], '-']) == 0  # nothing is left to run
    out, err = capsys.readouterr()
    assert json.loads(out) == values
    assert 'to run' not in err


def test_the_page_can_be_had_without_running_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(forum_runs, '_run_task', None)
    assert main(['reproduce', 'fluctuating-loss', '-o', str(tmp_path), '--no-runs']) == 0
    assert capsys.readouterr().out.startswith('0 of ')
    assert 'runs are finished' in (tmp_path / 'fluctuating_loss.html').read_text(encoding='utf-8')
    assert not (tmp_path / 'runs').exists()


@pytest.mark.parametrize(
    ('arguments', 'why'),
    [
        (['harvest', '-o', 'x'], 'invalid choice'),
        (['fluctuating-loss'], 'required: -o/--output'),
        (['fluctuating-loss', '-o', 'x', '--windows', '6'], "'6' is not at least 12"),
        (['fluctuating-loss', '-o', 'x', '--generator', 'noise'], 'invalid choice'),
        (['fluctuating-loss', '-o', 'x', '--seeds', '0'], "'0' is not at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(['reproduce', *arguments])
    assert error.value.code == 2
    assert why in capsys.readouterr().err
