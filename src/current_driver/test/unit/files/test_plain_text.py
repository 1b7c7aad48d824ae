# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""No name gives the terminal a command; names that cannot be carried are refused.

Kinds after https://cwe.mitre.org/data/definitions/150.html (escape sequences) and
https://trojansource.codes (direction of writing).
"""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from current_driver.errors import SurfaceError
from current_driver.files.names import MAX_NAME_CHARACTERS, check_name
from current_driver.files.plain_text import plain_output, plain_text, terminal


@pytest.mark.parametrize(
    ('text', 'plain'),
    [
        ('gr\x1b[31mass\x1b[0m', 'grass'),
        ('\x1b]0;title\x07ice', 'ice'),
        ('\x1b]8;;http://x\x1b\\ice\x1b]8;;\x1b\\', 'ice'),
        ('ice\x1b[2J\x1b[H', 'ice'),
        ('\x9b31mice', 'ice'),
        ('ice\rsnow', 'icesnow'),
        ('ice\x08\x7f\x00', 'ice'),
        ('\x1bcice', 'ice'),
        ('\u202eeci', 'eci'),
        ('Eis\u2028Schnee', 'EisSchnee'),
        ('größe\tA\nB 氷', 'größe\tA\nB 氷'),
    ],
)
def test_escape_codes_and_control_characters_go_and_text_stays(text: str, plain: str) -> None:
    assert plain_text(text) == plain
    assert str(SurfaceError(text)) == plain


@given(st.text(st.characters(max_codepoint=0x2FFF)))
def test_nothing_that_is_left_controls_a_terminal(text: str) -> None:
    plain = plain_text(text)
    assert plain_text(plain) == plain
    assert all(character in '\t\n' or not (ord(character) < 32 or 127 <= ord(character) < 160) for character in plain)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126)))
def test_printable_text_is_unchanged(text: str) -> None:
    assert plain_text(text) == text


def test_what_is_printed_is_cleaned_and_what_draws_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    output, errors = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, 'stdout', output)
    monkeypatch.setattr(sys, 'stderr', errors)
    with plain_output():
        print('a\x1b[31mb')
        sys.stdout.writelines(['c\x07', 'd'])
        print('e\x00f', file=sys.stderr)
        terminal(sys.stdout).write('\x1b[0m')
        assert not sys.stdout.isatty()
    assert output.getvalue() == 'ab\ncd\x1b[0m'
    assert errors.getvalue() == 'ef\n'
    assert sys.stdout is output


@pytest.mark.parametrize('name', ['a\0b', 'a\x1b[31m', 'a\nb', 'a\tb', '\u202ea', 'x' * (MAX_NAME_CHARACTERS + 1)])
def test_names_that_cannot_be_carried_are_refused(name: str) -> None:
    with pytest.raises(SurfaceError, match='surface '):
        check_name(name, 'surface')


@pytest.mark.parametrize('name', ['', 'ice', 'feuchte Wiese', '氷', "it's", 'x' * MAX_NAME_CHARACTERS])
def test_ordinary_names_pass(name: str) -> None:
    assert check_name(name, 'surface') == name
