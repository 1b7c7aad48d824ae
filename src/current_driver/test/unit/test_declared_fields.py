# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Declared fields: what a value may be, what an error says, and plain values there and back."""

from __future__ import annotations

import json
import math
import pickle
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from current_driver.declared_fields import (
    FieldError,
    check_fields,
    choice,
    declarations,
    declared,
    flag,
    from_values,
    key_reference,
    number,
    plain_values,
    text,
    whole,
    wholes,
    with_values,
)

RENAMED = {'size': 'units'}


@dataclass(frozen=True)
class Layer:
    """A small configuration."""

    units: int = whole(8, 'Units of the layer.', unit='units', minimum=1, maximum=64)
    rate: float | str = number(0.1, 'Rate.', minimum=0.0, maximum=1.0, below=True, words=('auto',))
    gain: float = number(1.0, 'Gain.', minimum=0.0, maximum=100.0)
    length: float = number(2.0, 'Length.', unit='s', minimum=0.5)
    frames: tuple[int, ...] = wholes((), 'Frames.', multiple=2)
    kind: str = choice('raw', ('raw', 'derived'), 'Kind.')
    batch_norm: bool = flag(False, 'Normalise.')
    inner: tuple[Layer, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Sensor:
    """An item of a list in a configuration."""

    name: str = field(metadata=declared('text', 'Name of the sensor.', minimum=1))
    gain: float = number(1.0, 'Gain.')
    note: str = text('', 'What else is known.', omitted=True)

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Robot:
    """A configuration with required fields, names of its own in files, and configurations in it."""

    sensors: tuple[Sensor, ...] = field(metadata=declared('configs', 'The sensors.', config=Sensor, item='a sensor'))
    wheel_count: int = whole(4, 'Number of wheels.', unit='wheels', minimum=1, key='wheels')
    timeout_s: float | None = number(None, 'Longest wait.', unit='s', minimum=0, above=True, optional=True)
    ports: tuple[str, ...] = field(default=(), metadata=declared('texts', 'Ports.'))
    mode: str = choice('fast', ('fast', 'slow'), 'Mode.', omitted=True)

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
        ('frames', 4, 'a list of whole numbers of at least 0, each a multiple of 2'),
        ('frames', [4, 3], 'a list of whole numbers of at least 0, each a multiple of 2'),
        ('kind', 'spectrum', 'one of raw, derived'),
        ('kind', ['raw'], 'one of raw, derived'),
        ('batch_norm', 1, 'true or false'),
        ('gain', 10**400, 'a number from 0 to 100'),
        ('length', -math.inf, 'a number of at least 0.5'),
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


def test_configurations_in_a_configuration_are_read_and_written() -> None:
    values = {'wheels': 6, 'timeout_s': '2e-1', 'ports': ['a'], 'sensors': [{'name': 'left', 'gain': 2}, {'name': 'z'}]}
    robot = from_values(Robot, values, 'a robot')
    assert robot == Robot((Sensor('left', 2.0), Sensor('z')), 6, 0.2, ('a',))
    assert type(robot.sensors[0].gain) is float
    written = plain_values(robot)
    assert list(written) == ['wheels', 'timeout_s', 'ports', 'sensors']
    assert written['sensors'] == [{'name': 'left', 'gain': 2.0}, {'name': 'z', 'gain': 1.0}]
    assert from_values(Robot, json.loads(json.dumps(written)), 'a robot') == robot


def test_what_is_not_the_default_is_written_last_where_it_may_be_left_out() -> None:
    written = plain_values(Robot((Sensor('a', note='new'),), mode='slow'))
    assert list(written) == ['wheels', 'timeout_s', 'ports', 'sensors', 'mode']
    assert written['sensors'] == [{'name': 'a', 'gain': 1.0, 'note': 'new'}]


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ('left', "a robot is 'left'; give a mapping with the keys sensors, wheels, timeout_s, ports, mode"),
        ({'wheel_count': 4, 'sensors': []}, 'unknown key wheel_count in a robot; known keys: sensors, wheels'),
        ({'wheels': 4}, 'a robot lacks the key sensors'),
        ({'sensors': {}}, 'sensors must be a list, not {}'),
        ({'sensors': [3]}, 'a sensor is 3; give a mapping with the keys name, gain, note'),
        ({'sensors': [{'gain': 3}]}, 'a sensor lacks the key name'),
        ({'sensors': [{'name': ''}]}, "name must be a text that is not empty, not ''"),
        ({'sensors': [{'name': 5}]}, 'name must be a text that is not empty, not 5'),
        ({'sensors': [], 'timeout_s': 0}, 'timeout_s must be a number above 0, or null, not 0'),
        ({'sensors': [], 'ports': ['a', 3]}, "ports must be a list of texts, not ['a', 3]"),
        ({'sensors': [], 'wheels': '4'}, "wheel_count must be a whole number of at least 1, not '4'"),
    ],
)
def test_values_that_cannot_be_read_are_named(values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        from_values(Robot, values, 'a robot')


def test_the_error_passes_between_processes() -> None:
    with pytest.raises(FieldError) as error:
        Layer(units=0)
    again = pickle.loads(pickle.dumps(error.value))
    assert str(again) == str(error.value) == 'units must be a whole number from 1 to 64, not 0'
    assert again.declaration == declarations(Layer)['units']


def test_a_configuration_of_another_class_is_refused() -> None:
    with pytest.raises(ValueError, match='sensors must be a list'):
        Robot(('left',))  # type: ignore[arg-type]


def test_the_reference_gives_default_rule_unit_and_description() -> None:
    assert key_reference(Robot).splitlines() == [
        'sensors (required): a list',
        '    The sensors.',
        'wheels (4): a whole number of at least 1 [wheels]',
        '    Number of wheels.',
        'timeout_s (null): a number above 0 [s], or null',
        '    Longest wait.',
        'ports ([]): a list of texts',
        '    Ports.',
        'mode (fast): one of fast, slow',
        '    Mode.',
    ]
    assert key_reference(Layer, Layer(rate='auto', units=16)).splitlines()[0::2][:2] == [
        'units (16): a whole number from 1 to 64 [units]',
        'rate (auto): a number of at least 0 and below 1, or auto',
    ]
