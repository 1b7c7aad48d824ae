# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Declared fields: what a value may be, what an error says, and plain values there and back."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from current_driver.declared_fields import (
    check_fields,
    choice,
    declarations,
    flag,
    number,
    plain_values,
    whole,
    wholes,
    with_values,
)

RENAMED = {'size': 'units'}


@dataclass(frozen=True)
class Layer:
    """A small configuration."""

    units: int = whole(8, 'Units of the layer.', unit='units', minimum=1, maximum=64)
    rate: float = number(0.1, 'Rate.', minimum=0.0, maximum=1.0, below=True, words=('auto',))
    gain: float = number(1.0, 'Gain.', minimum=0.0, maximum=100.0)
    length: float = number(2.0, 'Length.', unit='s', minimum=0.5)
    frames: tuple[int, ...] = wholes((), 'Frames.', multiple=2)
    kind: str = choice('raw', ('raw', 'derived'), 'Kind.')
    batch_norm: bool = flag(False, 'Normalise.')
    inner: tuple[Layer, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)


@pytest.mark.parametrize(
    ('name', 'value', 'rule'),
    [
        ('units', 0, 'a whole number from 1 to 64'),
        ('units', 65, 'a whole number from 1 to 64'),
        ('units', 2.0, 'a whole number from 1 to 64'),
        ('units', True, 'a whole number from 1 to 64'),
        ('rate', 1.0, 'a number of at least 0 and below 1, or auto'),
        ('rate', 'automatic', 'a number of at least 0 and below 1, or auto'),
        ('gain', 100.1, 'a number from 0 to 100'),
        ('gain', math.nan, 'a number from 0 to 100'),
        ('length', 0.4, 'a number of at least 0.5'),
        ('length', math.inf, 'a number of at least 0.5'),
        ('length', None, 'a number of at least 0.5'),
        ('frames', 4, 'a list of whole numbers that 2 divides of at least 0'),
        ('frames', [4, 3], 'a list of whole numbers that 2 divides of at least 0'),
        ('kind', 'spectrum', 'one of raw, derived'),
        ('kind', ['raw'], 'one of raw, derived'),
        ('batch_norm', 1, 'true or false'),
    ],
)
def test_what_a_field_may_not_hold_is_refused_with_its_rule(name: str, value: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f'{name} must be {rule}, not {value!r}')):
        Layer(**{name: value})


def test_borders_words_and_lists_are_taken() -> None:
    layer = Layer(units=64, rate='auto', gain=100, frames=[0, 32])  # type: ignore[arg-type]
    found: list[Any] = [layer.units, layer.rate, layer.gain, layer.frames]
    assert found == [64, 'auto', 100, (0, 32)]
    assert Layer(rate=0).rate == 0


def test_unknown_and_renamed_keys_are_named() -> None:
    with pytest.raises(ValueError, match=r'unknown unit; known are units, rate, gain'):
        with_values(Layer(), {'unit': 3}, RENAMED)
    with pytest.raises(ValueError, match='size is called units now'):
        with_values(Layer(), {'size': 3}, RENAMED)


def test_numbers_that_yaml_reads_as_text_are_taken() -> None:
    assert with_values(Layer(), {'length': '2e3'}, RENAMED).length == 2000.0
    with pytest.raises(ValueError, match=r"length must be a number of at least 0\.5, not 'long'"):
        with_values(Layer(), {'length': 'long'}, RENAMED)


def test_every_declaration_has_a_description() -> None:
    found = declarations(Layer)
    assert list(found) == ['units', 'rate', 'gain', 'length', 'frames', 'kind', 'batch_norm']
    assert all(declaration.description for declaration in found.values())
    assert found['length'].unit == 's'


@given(
    units=st.integers(1, 64),
    rate=st.floats(0.0, 1.0, exclude_max=True) | st.just('auto'),
    frames=st.lists(st.integers(0, 50).map(lambda half: 2 * half), max_size=3),
    kind=st.sampled_from(['raw', 'derived']),
)
def test_plain_values_give_the_same_configuration_again(units: int, rate: Any, frames: list[int], kind: str) -> None:
    layer = Layer(units=units, rate=rate, frames=tuple(frames), kind=kind, inner=(Layer(units=3),))
    values = json.loads(json.dumps(plain_values(layer)))
    inner = tuple(Layer(**{**item, 'inner': ()}) for item in values.pop('inner'))
    assert Layer(**values, inner=inner) == layer
