# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Window configurations: layout, refusals that name the value, and what the digest covers."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from current_driver.errors import SurfaceError
from surface_classifier.nodes.window_parameters import windows_from_file
from surface_classifier.signal.presets import preset_names
from surface_classifier.signal.window_config import ChannelConfig, PartConfig, WindowConfig, default_window_config

CONFIG = Path(__file__).resolve().parents[3] / 'config'
JOINT = 'sensor_msgs/msg/JointState'
LAYOUT: dict[str, Any] = {
    'window': {'samples': 32, 'stride': 8, 'gap_limit_s': 0.5, 'min_coverage': 0.9},
    'parts': [
        {
            'name': 'motor',
            'sample_rate_hz': 6.5,
            'channels': [
                {'name': 'left', 'topic': 'joint_states', 'type': JOINT, 'field': 'effort[left_wheel]', 'unit': 'N m'},
                {'name': 'right', 'topic': 'joint_states', 'type': JOINT, 'field': 'effort[1]', 'scale': -1},
            ],
        },
        {
            'name': 'imu',
            'sample_rate_hz': 100,
            'input_rate_hz': 400,
            'channels': [
                {
                    'name': 'wz',
                    'topic': 'imu',
                    'type': 'sensor_msgs/msg/Imu',
                    'field': 'angular_velocity.z',
                    'unit': 'rad/s',
                }
            ],
        },
    ],
}


def changed(path: tuple[Any, ...], value: Any) -> WindowConfig:
    layout = copy.deepcopy(LAYOUT)
    place: Any = layout
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return WindowConfig.from_dict(layout)


def test_the_layout_is_read_and_written_alike(tmp_path: Path) -> None:
    config = WindowConfig.from_dict(LAYOUT)
    assert (config.window_samples, config.stride_samples, config.gap_limit_s, config.min_coverage) == (32, 8, 0.5, 0.9)
    assert config.parts[0].channels[1] == ChannelConfig('right', 'joint_states', JOINT, 'effort[1]', scale=-1.0)
    assert [part.decimates for part in config.parts] == [False, True]
    assert [config.samples_of_part(index) for index in (0, 1)] == [32, 492]
    assert config.topics == {'joint_states': JOINT, 'imu': 'sensor_msgs/msg/Imu'}
    assert WindowConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    path = tmp_path / 'window.yaml'
    path.write_text(yaml.safe_dump(config.to_dict()))
    assert WindowConfig.from_yaml(path) == config


def test_a_whole_number_and_a_float_mean_the_same_rate() -> None:
    assert (
        changed(('parts', 0, 'sample_rate_hz'), 100).to_dict()
        == changed(('parts', 0, 'sample_rate_hz'), 100.0).to_dict()
    )


@pytest.mark.parametrize(
    ('path', 'value', 'same'),
    [
        (('parts', 0, 'channels', 0, 'name'), 'port', False),
        (('parts', 0, 'channels', 0, 'unit'), 'A', False),
        (('parts', 0, 'name'), 'drive', False),
        (('parts', 0, 'sample_rate_hz'), 6.0, False),
        (('parts', 1, 'sample_rate_hz'), 50, False),
        (('window', 'samples'), 33, False),
        (('window', 'stride'), 1, True),
        (('window', 'gap_limit_s'), 0.1, True),
        (('window', 'min_coverage'), 0.5, True),
        (('parts', 1, 'channels', 0, 'topic'), 'imu/data', True),
        (('parts', 1, 'channels', 0, 'field'), 'angular_velocity.x', True),
        (('parts', 1, 'channels', 0, 'scale'), 2.0, True),
        (('parts', 1, 'input_rate_hz'), 200, True),
    ],
)
def test_the_digest_covers_what_a_model_must_agree_on(path: tuple[Any, ...], value: Any, same: bool) -> None:
    assert (changed(path, value).digest == WindowConfig.from_dict(LAYOUT).digest) is same


def test_the_digest_is_fixed() -> None:
    # Saved models hold it: a change here refuses all of them.
    assert default_window_config().digest == 'b740339851e421963d0ba97278d29aeb94998240ffa2b6b6f9b547e347afb059'


# Shipped windows: the first digits of the digest, and of the SHA-256 of what is written into data sets and models.
SHIPPED = (
    ('battery_state', 'beef7c0ca54f76c0', '8d85ede00e3cb5be'),
    ('borealtc_all_window.yaml', '25e86eac429be1d4', '27392395eb57d329'),
    ('borealtc_motion.yaml', 'fd09694078037241', '9175296ba4d829f6'),
    ('borealtc_motor_imu_window.yaml', 'bdcea6d695dcd284', 'c02e8b2aaf5ba770'),
    ('borealtc_paper_window.yaml', '7d94557827557f3b', 'c1f88a3c7263f6a1'),
    ('borealtc_window.yaml', '2c6994f7bb90d93e', '284d59b83644988c'),
    ('clearpath_feedback', '1c0bed308bdf90bf', 'fe53d2ed22b568f2'),
    ('clearpath_power_husky', 'd8e8e9a260b2cb5b', 'cb153c8393202de1'),
    ('clearpath_power_jackal', '75d5a04996b0c6c1', '0776b00cf0f3bf65'),
    ('clearpath_puma', '98d14682b560b92a', 'efd22947815d5690'),
    ('create3', 'f6b9209935bbc0b0', '4fe238b2b63a8e52'),
    ('dynamic_joint_state', '1eb3e1d19b758e00', '85634539fd63ef04'),
    ('float32', '33eaccefcf1713b8', 'f2fe70619d3a1a94'),
    ('float32_multi_array', '1c0bed308bdf90bf', 'ca1a9dc4872ddaba'),
    ('float64', '33eaccefcf1713b8', '4d7753a64d8e9393'),
    ('float64_multi_array', '1c0bed308bdf90bf', '03acd4f53b1ed920'),
    ('husarion_ugv', 'a0e9c0245b7f4c94', 'b20c5babdd7353be'),
    ('joint_state_effort', '1eb3e1d19b758e00', 'e5e78a63c4d882bb'),
    ('joint_states.yaml', 'b740339851e42196', 'df7dd979e882b1f9'),
    ('kobuki', '1c0bed308bdf90bf', 'd53c7966e5b54f44'),
    ('odrive', 'd8e8e9a260b2cb5b', 'b48f39786484b96d'),
    ('panther', 'a0e9c0245b7f4c94', '010dbb984b378089'),
    ('puma', '98d14682b560b92a', '6fcad6353461cf03'),
    ('px4_esc', 'd8e8e9a260b2cb5b', 'd2c34b62793dcf00'),
    ('roboteq', '98d14682b560b92a', '74443534d3dd172f'),
    ('scout', '47ef3fbf599113b4', 'c77452ca7ca0c9b2'),
    ('state_interfaces', '1eb3e1d19b758e00', 'e6cfdeebc1b9faf0'),
    ('vesc', '33eaccefcf1713b8', '45e0c8b1f78530dc'),
)


@pytest.mark.parametrize(('source', 'digest', 'written'), SHIPPED)
def test_digests_and_written_values_of_the_shipped_windows_are_fixed(source: str, digest: str, written: str) -> None:
    config = windows_from_file(CONFIG / source if source.endswith('.yaml') else source)
    assert config.digest.startswith(digest)
    text = json.dumps(config.to_dict())
    assert hashlib.sha256(text.encode()).hexdigest().startswith(written)
    assert json.dumps(WindowConfig.from_dict(json.loads(text)).to_dict()) == text


def test_every_shipped_preset_and_windows_file_has_a_fixed_digest() -> None:
    fixed = {source for source, _, _ in SHIPPED}
    assert fixed >= set(preset_names())
    assert fixed >= {file.name for file in CONFIG.glob('*.yaml') if 'parts' in yaml.safe_load(file.read_text())}


@pytest.mark.parametrize(
    ('path', 'value', 'message'),
    [
        (('windows',), {}, 'unknown key windows'),
        (('window', 'sample'), 3, 'unknown key sample in `window`; known keys: samples, stride'),
        (('parts', 0, 'rate'), 3, 'unknown key rate in a part'),
        (('parts', 0, 'channels', 0, 'units'), 'A', 'unknown key units in a channel'),
        (('window', 'samples'), 0, 'window_samples is 0'),
        (('window', 'samples'), 2.5, 'window_samples is 2.5'),
        (('window', 'stride'), True, 'stride_samples is True'),
        (('window', 'gap_limit_s'), -1, 'gap_limit_s is -1'),
        (('window', 'min_coverage'), 0, 'min_coverage is 0'),
        (('window', 'min_coverage'), 1.5, 'min_coverage is 1.5'),
        (('parts',), [], 'without parts'),
        (('parts',), 'motor', "parts is 'motor'; give a list"),
        (('parts', 0), 'motor', "a part is 'motor'; give a mapping"),
        (('parts', 0, 'sample_rate_hz'), 0, "part 'motor': sample_rate_hz"),
        (('parts', 0, 'sample_rate_hz'), 'fast', "sample_rate_hz is 'fast'"),
        (('parts', 0, 'channels'), [], 'has no channels'),
        (('parts', 1, 'name'), 'motor', "part 'motor' is given twice"),
        (('parts', 0, 'channels', 1, 'name'), 'left', "channel 'left' is given twice"),
        (('parts', 0, 'channels', 1, 'type'), 'std_msgs/msg/Float64', 'configured both as'),
        (('parts', 0, 'channels', 1, 'scale'), 0, 'scale is 0'),
        (('parts', 0, 'channels', 1, 'scale'), float('nan'), 'scale is nan'),
        (('parts', 0, 'channels', 1, 'field'), 'effort[', "field path 'effort['"),
        (('parts', 0, 'channels', 1, 'topic'), None, 'topic is None'),
        (('parts', 1, 'sample_rate_hz'), 0.05, 'holds no sample'),
        (('parts', 1, 'sample_rate_hz'), 1e-5, "part 'imu': sample_rate_hz: a rate of 1e-05 Hz is below 1/1000 Hz"),
        (
            ('parts', 1, 'input_rate_hz'),
            2e6,
            'input_rate_hz is 2000000.0; give a number above 0 and at most 1e+06 [Hz]',
        ),
        (('window', 'samples'), -1, 'window_samples is -1; give a whole number of at least 1 [samples]'),
        (('window', 'gap_limit_s'), 'long', "gap_limit_s is 'long'; give a number above 0 [s], or null"),
        (('window', 'stamps'), 'bag', "stamps is 'bag'; choose header or receipt"),
        (('window', 'repeated_stamps'), None, 'repeated_stamps is None; choose refuse or drop or spread'),
        (('parts', 0, 'channels'), {'name': 'left'}, "channels is {'name': 'left'}; give a list"),
        (('parts', 0, 'channels', 0, 'unit'), '', "channel 'left': unit is ''; give a text that is not empty"),
        (('parts', 0, 'channels', 0, 'names_topic'), 3, "channel 'left': names_topic is 3; give a text"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(path: tuple[Any, ...], value: Any, message: str) -> None:
    with pytest.raises(SurfaceError) as error:
        changed(path, value)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ('text', 'message'), [('window: [', 'is not YAML'), ('parts: []', 'without parts'), ('', 'give a mapping')]
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / 'window.yaml'
    path.write_text(text)
    with pytest.raises(SurfaceError, match=message) as error:
        WindowConfig.from_yaml(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SurfaceError, match=r'nowhere\.yaml: cannot be read'):
        WindowConfig.from_yaml(tmp_path / 'nowhere.yaml')


@pytest.mark.parametrize('name', ['a/b', '../x', 'a b', 'a.b'])
def test_a_part_whose_name_is_no_file_name_is_refused(name: str) -> None:
    channel = ChannelConfig('left', 'joint_states', JOINT, 'effort[0]')
    with pytest.raises(SurfaceError, match='the name becomes part of a file name'):
        PartConfig(name, 100.0, (channel,))


def motion_layout(*roles: str) -> dict[str, Any]:
    layout = copy.deepcopy(LAYOUT)
    for part, role in zip(layout['parts'], roles, strict=True):
        part['role'] = role
        if role == 'motion':
            part['channels'] = [{**channel, 'unit': 'rad/s'} for channel in part['channels']]
    return layout


def test_a_motion_part_comes_last_and_is_no_input() -> None:
    config = WindowConfig.from_dict(motion_layout('input', 'motion'))
    assert [part.name for part in config.input_parts] == ['motor']
    assert config.motion_part is not None
    assert config.motion_part.name == 'imu'
    assert WindowConfig.from_dict(config.to_dict()) == config
    plain = WindowConfig.from_dict(LAYOUT)
    assert plain.motion_part is None
    assert plain.input_parts == plain.parts
    # A network that sees the part and one that does not take windows of two kinds.
    assert config.digest != plain.digest
    assert 'role' not in json.dumps(plain.to_dict())


@pytest.mark.parametrize('roles', [('motion', 'input'), ('motion', 'motion')])
def test_a_motion_part_that_is_not_the_last_one_is_refused(roles: tuple[str, str]) -> None:
    with pytest.raises(SurfaceError, match=r"'motor' has the role motion; give at most one such part, last"):
        WindowConfig.from_dict(motion_layout(*roles))


def test_a_window_of_motion_alone_and_an_unknown_role_are_refused() -> None:
    layout = motion_layout('motion', 'input')
    del layout['parts'][1]
    with pytest.raises(SurfaceError, match=r'after the parts that a network sees'):
        WindowConfig.from_dict(layout)
    with pytest.raises(SurfaceError, match=r"role is 'speed'; choose input or motion"):
        WindowConfig.from_dict(motion_layout('input', 'speed'))


def test_a_motion_is_not_low_passed_and_its_gaps_are_judged_by_its_own_grid() -> None:
    config = WindowConfig.from_dict(motion_layout('input', 'motion'))
    motion = config.motion_part
    assert motion is not None
    assert motion.input_rate_hz == 400.0
    assert not motion.decimates
    assert config.gap_limit_of_part_s(1) == 0.5  # as given, since it is longer than 2.5 periods
    short = dataclasses.replace(config, gap_limit_s=0.01)
    assert short.gap_limit_of_part_s(0) == 0.01
    assert short.gap_limit_of_part_s(1) == 2.5 / 100.0


def test_a_motion_in_another_unit_or_of_too_few_samples_is_refused() -> None:
    layout = motion_layout('input', 'motion')
    layout['parts'][1]['channels'][0]['unit'] = 'km/h'
    with pytest.raises(SurfaceError, match=r"channel 'wz' is in km/h; give speeds in m/s and turn rates in rad/s"):
        WindowConfig.from_dict(layout)
    layout = motion_layout('input', 'motion')
    layout['parts'][1]['sample_rate_hz'] = 0.5
    with pytest.raises(SurfaceError, match=r'holds 2 of its samples at 0\.5 Hz, which do not tell a motion'):
        WindowConfig.from_dict(layout)
