# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A contract survives the way to disk and back, and nothing that was changed on the way is believed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from model_samples import CLASSES, MOTOR_CONFIG, TWO_PART_CONFIG, channels

from current_driver.errors import SurfaceError
from surface_classifier.model.contract import (
    CONTRACT_FILE,
    ModelContract,
    check_compatible,
    check_window_digest,
    describe_windows,
    load_contract,
    read_verified,
    save_contract,
)
from surface_classifier.signal.window_config import PartConfig, WindowConfig

CONTRACT = ModelContract(
    config=TWO_PART_CONFIG,
    classes=('Glatteis', 'neige', 'снег'),
    architecture={'hidden_sizes': [8]},
    normalisation={'motor': {'mean': [0.1, 1 / 3], 'scale': [1e-9, 2.0]}},
    calibration={'method': 'none', 'temperature': 1.0},
    training_data={'digest': 'a' * 64},
    training={'epochs': 3},
    seed=7,
    created_by='test',
    weights_sha256='b' * 64,
    onnx_sha256='c' * 64,
)


def test_a_contract_comes_back_as_it_was(tmp_path: Path) -> None:
    save_contract(CONTRACT, tmp_path)
    assert load_contract(tmp_path) == CONTRACT


def test_no_flipped_bit_goes_unseen(tmp_path: Path) -> None:
    save_contract(CONTRACT, tmp_path)
    file = tmp_path / CONTRACT_FILE
    content = file.read_bytes()
    refused = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)
        file.write_bytes(damaged)
        try:
            found = load_contract(tmp_path)
        except SurfaceError:
            refused += 1
        else:
            # A flip between two kinds of white space, outside a text, says the same.
            assert found == CONTRACT
    assert refused > 0.9 * len(content)


def test_a_contract_edited_by_hand_is_refused(tmp_path: Path) -> None:
    save_contract(CONTRACT, tmp_path)
    file = tmp_path / CONTRACT_FILE
    values = json.loads(file.read_text(encoding='utf-8'))
    values['classes'].reverse()
    file.write_text(json.dumps(values), encoding='utf-8')
    with pytest.raises(SurfaceError, match='was changed after it was written'):
        load_contract(tmp_path)


def test_another_format_is_distinguished_from_damage(tmp_path: Path) -> None:
    save_contract(replace(CONTRACT, format_version=99), tmp_path)
    with pytest.raises(SurfaceError, match='has format 99, this version reads format 2'):
        load_contract(tmp_path)


def test_a_folder_without_a_contract_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(SurfaceError, match=r'holds no model.json; make one with `surface train`'):
        load_contract(tmp_path)


@pytest.mark.parametrize('classes', [('ice',), (), ('ice', 'ice')])
def test_a_model_has_two_classes_at_least(classes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match='two or more different classes'):
        replace(CONTRACT, classes=classes)


@pytest.mark.parametrize('temperature', [0.0, -1.0, float('nan'), float('inf')])
def test_a_temperature_is_a_positive_number(temperature: float) -> None:
    with pytest.raises(ValueError, match='temperature'):
        replace(CONTRACT, calibration={'temperature': temperature})


def test_a_file_of_the_model_is_compared_with_its_digest(tmp_path: Path) -> None:
    file = tmp_path / 'weights'
    file.write_bytes(b'weights')
    digest = hashlib.sha256(b'weights').hexdigest()
    assert read_verified(file, digest) == b'weights'
    file.write_bytes(b'Weights')
    with pytest.raises(SurfaceError, match=digest):
        read_verified(file, digest)
    file.unlink()
    with pytest.raises(SurfaceError, match='cannot be read'):
        read_verified(file, digest)


@pytest.mark.parametrize(
    ('config', 'expected'),
    [
        (replace(MOTOR_CONFIG, window_samples=13), '13 samples'),
        (replace(MOTOR_CONFIG, parts=(PartConfig('motor', 20.0, channels('left', 'right')),)), '20 Hz'),
        (replace(MOTOR_CONFIG, parts=(PartConfig('motor', 10.0, channels('left', 'rear')),)), 'rear [A]'),
        (replace(MOTOR_CONFIG, parts=(PartConfig('motor', 10.0, channels('left', 'right', unit='V')),)), 'left [V]'),
        (TWO_PART_CONFIG, 'imu (ax [m/s^2]) at 100 Hz'),
    ],
)
def test_other_windows_are_refused_with_both_sides_named(config: WindowConfig, expected: str) -> None:
    contract = replace(CONTRACT, config=MOTOR_CONFIG, classes=CLASSES)
    with pytest.raises(SurfaceError) as refusal:
        check_compatible(contract, config, 'data set drives')
    text = str(refusal.value)
    assert 'data set drives' in text
    assert expected in text
    assert describe_windows(MOTOR_CONFIG) in text


def test_windows_that_differ_in_stride_or_origin_only_are_taken() -> None:
    contract = replace(CONTRACT, config=MOTOR_CONFIG)
    check_compatible(contract, replace(MOTOR_CONFIG, stride_samples=1, min_coverage=0.5), 'data set drives')
    check_window_digest(contract, MOTOR_CONFIG.digest, 'windows', 'topic current_window')
