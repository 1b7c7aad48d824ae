# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Labels by joystick: buttons from parameters, and one label for each press."""

from __future__ import annotations

import pytest

from current_driver.errors import SurfaceError
from surface_classifier.terminal.joy_labels import JoyLabels

ENTRIES = ['{button: 2, surface: gravel}', '{button: 0, surface: grass}', '{button: 5, surface: }']


def test_a_button_counts_when_it_goes_down() -> None:
    labels = JoyLabels(ENTRIES)
    assert labels.pressed([0, 0, 0, 0, 0, 0]) is None
    assert labels.pressed([0, 0, 1, 0, 0, 0]) == 'gravel'
    assert labels.pressed([0, 0, 1, 0, 0, 0]) is None  # held, and sent again
    assert labels.pressed([1, 0, 1, 0, 0, 0]) == 'grass'
    assert labels.pressed([0, 0, 0, 0, 0, 0]) is None
    assert labels.pressed([0, 1, 0, 0, 0, 0]) is None  # stands for nothing
    assert labels.pressed([0, 0, 0, 0, 0, 1]) == ''
    assert labels.pressed([0, 0, 1]) == 'gravel'  # another joystick, with fewer buttons


def test_a_button_without_a_surface_ends_the_label() -> None:
    assert JoyLabels(['{button: 2}']).pressed([0, 0, 1]) == ''


def test_of_several_buttons_at_once_the_first_entry_counts() -> None:
    assert JoyLabels(ENTRIES).pressed([1, 0, 1, 0, 0, 0]) == 'gravel'


@pytest.mark.parametrize(
    ('entry', 'word'),
    [
        ('{button: [', 'not YAML'),
        ('gravel', 'must have button'),
        ('{surface: ice}', 'must have button'),
        ('{button: 1, surfcae: ice}', 'must have button'),
        ('{button: A, surface: ice}', 'from 0'),
        ('{button: -1, surface: ice}', 'from 0'),
        ('{button: true, surface: ice}', 'from 0'),
        ('{button: 1, surface: [ice]}', 'a name'),
        ('{button: 2, surface: ice}', 'button 2 is there twice'),
    ],
)
def test_an_entry_that_makes_no_sense_is_named(entry: str, word: str) -> None:
    with pytest.raises(SurfaceError, match=word):
        JoyLabels([ENTRIES[0], entry])
