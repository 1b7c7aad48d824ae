# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""CSV files of the odd kinds that people have: the right value, or a sentence that leads to the right action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from surface_classifier.cli.main import main
from surface_classifier.data.dataset import Dataset

LEVELS = {'carpet': 1.0, 'tiles': 2.0}
ROWS = 600
# Text of a file from the current of the left motor on its surface, and the name of the surface.
MakeText = Callable[[float, str], str]


@dataclass(frozen=True)
class CsvKind:
    """One kind of CSV file.

    Attributes:
        name: Its property.
        source: A public report of it; empty for a sibling of the row above.
        make: Text of a file.
        words: What the output must hold.
        built: Whether a data set comes out, with the currents of the motors; otherwise the verb ends with 2.
        columns: The columns file; empty: none.
        arguments: More arguments of the import.
    """

    name: str
    source: str
    make: MakeText
    words: tuple[str, ...] = ()
    built: bool = True
    columns: str = ''
    arguments: tuple[str, ...] = ()


def rows(time: str = 'time', step: float = 0.01, start: float = 0.0, digits: int = 3, **changes: str) -> MakeText:
    """Time and two currents; `changes` replaces characters of the whole text, in this order."""

    def make(level: float, _: str) -> str:
        rng = np.random.default_rng(int(level))
        text = f'{time},current_left,current_right\n'
        for i in range(ROWS):
            noise = 0.02 * rng.standard_normal(2)
            text += f'{start + i * step:.{digits}f},{level + noise[0]:.4f},{-level + noise[1]:.4f}\n'
        for old, new in zip(changes['old'], changes['new'], strict=True) if changes else ():
            text = text.replace(old, new)
        return text

    return make


def sparse(level: float, _: str) -> str:
    text = '__time,left,right\n'
    for i in range(ROWS):
        text += f'{1.7e9 + i / 100:.6f},{level},\n{1.7e9 + i / 100 + 0.003:.6f},,{-level}\n'
    return text


def labelled(level: float, surface: str, name: str = 'label') -> str:
    text = rows()(level, surface)
    lines = text.splitlines()
    return '\n'.join([f'{lines[0]},{name}', *(f'{line},{surface}' for line in lines[1:])]) + '\n'


MILLIS_LINK = 'https://docs.edgeimpulse.com/reference/data-ingestion/data-acquisition-format'
COMMA_LINK = 'https://polybench.de/manual/DF0502001.html'
SPARSE_COLUMNS = 'motor: {time: {column: __time, unit: s, absolute: true}, current: {left: left, right: right}}\n'
KINDS = [
    CsvKind(
        'milliseconds under timestamp', MILLIS_LINK, rows('timestamp', 10, digits=0), ('timestamp_ms',), built=False
    ),
    CsvKind('microseconds under time', '', rows('time', 10_000, digits=0), ('time_us',), built=False),
    CsvKind('nanoseconds under t', '', rows('t', 1e7, digits=0), ('t_ns',), built=False),
    CsvKind('milliseconds with decimals', '', rows('time', 10.01, digits=3), ('time_ms',), built=False),
    CsvKind('numbers of rows under time', '', rows('time', 1, digits=0), ('time_ms',), built=False),
    CsvKind('Unix time in milliseconds', '', rows('time', 10, 1.7e12, 0), ('unit: ms', 'absolute: true'), built=False),
    CsvKind('milliseconds under time_ms', '', rows('time_ms', 10, digits=0)),
    CsvKind('semicolons and decimal commas', COMMA_LINK, rows(old=',.', new=';,')),
    CsvKind('a columns file with the delimiter alone', '', rows(old=',.', new=';,'), columns="delimiter: ';'\n"),
    CsvKind('tabs and decimal commas', '', rows(old=',.', new='\t,')),
    CsvKind('semicolons and decimal points', '', rows(old=',', new=';')),
    CsvKind(
        'a decimal comma as configured',
        '',
        rows(old=',.', new='|,'),
        columns="delimiter: '|'\ndecimal: ','\n",
    ),
    CsvKind(
        'rows that hold one column each',
        'https://github.com/PlotJuggler/PlotJuggler/issues/46',
        sparse,
        ('no row holds all columns',),
        columns=f'{SPARSE_COLUMNS}allow_missing: true\n',
    ),
    CsvKind('a column of labels that is not used', '', labelled, ("column 'label' is ignored", '--label-column label')),
    CsvKind('a column of labels', '', labelled, arguments=('--label-column', 'label')),
    CsvKind(
        'a column of labels that is not there',
        '',
        labelled,
        ("no column 'ground'",),
        built=False,
        arguments=('--label-column', 'ground'),
    ),
    CsvKind(
        'a column of surfaces that is not used',
        '',
        lambda level, surface: labelled(level, surface, 'surface'),
        ("column 'surface' is ignored",),
    ),
]


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name.replace(' ', '_'))
def test_the_right_value_or_a_clear_sentence(
    kind: CsvKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for surface, level in LEVELS.items():
        folder = Path('drives', surface)
        folder.mkdir(parents=True)
        (folder / '1.csv').write_text(kind.make(level, surface), encoding='utf-8')
        (folder / '._1.csv').write_bytes(b'\0\5\x16\7\0\2\0\0Mac OS X        ')
    columns = []
    if kind.columns:
        Path('columns.yaml').write_text(kind.columns, encoding='utf-8')
        columns = ['--columns', 'columns.yaml']
    code = main(['import', 'csv', 'drives', '-o', 'rec', *columns, *kind.arguments])
    if code == 0:
        code = main(['dataset', 'build', 'rec', '-o', 'ds'])
    printed = ''.join(capsys.readouterr())
    assert 'Traceback' not in printed
    for words in kind.words:
        assert words in printed
    assert (code == 0) == kind.built, printed
    if not kind.built:
        return
    dataset = Dataset.load('ds')
    assert set(dataset.classes) == set(LEVELS)
    for label, name in enumerate(dataset.classes):
        values = np.asarray(dataset.parts['motor'])[np.asarray(dataset.labels) == label]
        assert len(values) >= 5
        np.testing.assert_allclose(values.mean(axis=(0, 1)), (LEVELS[name], -LEVELS[name]), atol=0.05)


def test_labels_of_a_column_change_inside_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f'{i / 100},{1 if i < 600 else 2},{"carpet" if i < 600 else "tiles"}' for i in range(1200)]
    Path('drives', 'mixed').mkdir(parents=True)
    Path('drives', 'mixed', '1.csv').write_text('\n'.join(['time,current_left,ground', *lines]) + '\n')
    assert main(['import', 'csv', 'drives', '-o', 'rec', '--label-column', 'ground']) == 0
    assert main(['dataset', 'build', 'rec', '-o', 'ds']) == 0
    dataset = Dataset.load('ds')
    values = np.asarray(dataset.parts['motor'])
    for label, name in enumerate(dataset.classes):
        assert set(np.unique(values[np.asarray(dataset.labels) == label])) == {LEVELS[name]}
