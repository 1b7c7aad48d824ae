# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface inspect` as a user types it: topics and guesses, the file it writes, presets, and wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stranger_bags import write_stranger_bag

from current_driver.testing.drives import write_drive
from surface_classifier.cli.main import main
from surface_classifier.data.dataset import Dataset
from surface_classifier.evaluation.motion_scores import window_motion
from surface_classifier.nodes.window_parameters import windows_from_file
from surface_classifier.signal.presets import preset_config, preset_names
from surface_classifier.signal.window_config import WindowConfig


def test_from_a_strangers_bag_to_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_stranger_bag(tmp_path / 'bag', 3, 'puma')
    file = tmp_path / 'robot.yaml'
    assert main(['inspect', str(bag.path), '-o', str(file), '--json', str(tmp_path / 'found.json')]) == 0
    printed = capsys.readouterr().out
    assert f'1. {bag.topic} {bag.field}: ' in printed
    assert 'the preset puma knows it as motor current (+6.0)' in printed
    assert f'next: surface dataset build RECORDINGS -o DATASET --channels {file}' in printed
    found = json.loads((tmp_path / 'found.json').read_text(encoding='utf-8'))
    topics = {entry['topic']: entry for entry in found['topics']}
    assert len(topics) == 13  # the label among them
    assert topics[bag.topic]['type'] == 'puma_motor_msgs/msg/MultiFeedback'
    assert topics[bag.topic]['rate_hz'] == pytest.approx(25.0, rel=0.01)
    assert (topics[bag.topic]['gaps'], topics[bag.topic]['stamped']) == (0, 'header')
    assert found['channels_file'] == file.read_text(encoding='utf-8')
    assert found['guesses'][0]['unit_known'] is True

    assert main(['dataset', 'build', str(bag.path), '-o', str(tmp_path / 'set'), '--channels', str(file)]) == 0
    assert 'motor: 50 samples at 25 Hz of' in capsys.readouterr().out
    assert main(['dataset', 'check', str(bag.path), '--channels', str(file)]) == 0


def test_names_on_a_topic_of_their_own_reach_the_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_stranger_bag(tmp_path / 'bag', 5, 'state_interfaces')
    assert main(['inspect', str(bag.path), '--json', '-']) == 0
    found = json.loads(capsys.readouterr().out)
    places = [place for place, guess in enumerate(found['guesses'], 1) if guess['field'] == bag.field]
    file = tmp_path / 'robot.yaml'
    assert main(['inspect', str(bag.path), '--guess', str(places[0]), '-o', str(file)]) == 0
    assert 'names_type: control_msgs/msg/Keys' in file.read_text(encoding='utf-8')
    assert main(['dataset', 'build', str(bag.path), '-o', str(tmp_path / 'set'), '--channels', str(file)]) == 0


@pytest.mark.requires('mcap', 'rosbags')
def test_a_csv_file_and_a_drive_of_our_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f'{n / 50},{1 + (n % 7) / 7},{2 - (n % 5) / 5}' for n in range(200)]
    csv = tmp_path / 'drive.csv'
    csv.write_text('time,current_left,current_right\n' + '\n'.join(lines) + '\n', encoding='utf-8')
    drive = write_drive(tmp_path / 'drive', [('ice', 5.0)])
    for source, topic in ((csv, 'motor_current'), (drive, '/motor_current')):
        assert main(['inspect', str(source)]) == 0
        printed = capsys.readouterr().out
        assert f'1. {topic} current[*]: ' in printed
        assert "field: 'current[left]'" in printed


def test_presets_are_listed_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['inspect', '--presets']) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()] == list(preset_names())
    assert 'torque at the joint [N m] of sensor_msgs/msg/JointState' in printed
    assert main(['inspect', '--presets', '--json', '-']) == 0
    assert {entry['name'] for entry in json.loads(capsys.readouterr().out)['presets']} == set(preset_names())
    assert main(['inspect', '--preset', 'create3']) == 0
    copy = tmp_path / 'copy.yaml'
    copy.write_text(capsys.readouterr().out, encoding='utf-8')
    assert WindowConfig.from_yaml(copy) == preset_config('create3')


def test_nothing_that_changes_is_no_current(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    csv = tmp_path / 'drive.csv'
    csv.write_text('time,current_left\n' + '\n'.join(f'{n / 50},1.5' for n in range(100)) + '\n', encoding='utf-8')
    assert main(['inspect', str(csv)]) == 1
    assert 'no number changes often enough to be a current; let the robot drive' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['drive_9'], 'drive_9: no such recording; a topic of the running graph is given by its absolute name'),
        ([], '0 recordings are given; give one, topics by their absolute names, or --live'),
        (['--preset', 'create4'], "there is no preset 'create4'"),
    ],
)
def test_wrong_input_is_explained(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['inspect', *arguments]) == 2
    assert text in capsys.readouterr().err


@pytest.mark.requires('mcap', 'rosbags')
def test_a_guess_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_drive(tmp_path / 'drive', [('ice', 5.0)])
    assert main(['inspect', str(bag), '--guess', '9']) == 2
    assert '--guess 9: there are 1 guesses' in capsys.readouterr().err


def test_motion_is_offered_where_a_topic_holds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_stranger_bag(tmp_path / 'bag', 3, 'puma')
    file = tmp_path / 'robot.yaml'
    assert main(['inspect', str(bag.path), '-o', str(file)]) == 0
    assert f'{file} also offers motion_channels of ' in capsys.readouterr().out
    offered = file.read_text(encoding='utf-8')
    assert '# motion_channels:' in offered
    # As a user does it: a # away from each line that is not prose.
    lines = [line if '##' in line else line.replace('# ', '', 1) for line in offered.splitlines() if '    #' in line]
    kept = [line for line in offered.splitlines() if '    #' not in line]
    file.write_text('\n'.join([*kept, *lines]) + '\n', encoding='utf-8')
    config = windows_from_file(file)
    assert config.motion_part is not None
    assert config.motion_part.channel_names == ('speed', 'turn_rate')
    assert config.motion_part.channel_units == ('m/s', 'rad/s')
    assert config.motion_part.sample_rate_hz <= 10.0
    assert main(['dataset', 'build', str(bag.path), '-o', str(tmp_path / 'set'), '--channels', str(file)]) == 0
    output = capsys.readouterr()
    assert 'motion' in output.out
    assert 'warning' not in output.err
    dataset = Dataset.load(tmp_path / 'set')
    assert len(dataset) > 0
    assert set(window_motion(dataset).motion) <= {'still', 'straight', 'turning', 'varying'}


@pytest.mark.requires('mcap', 'rosbags')
def test_wheel_speeds_beside_the_currents_are_offered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['simulate', '-o', str(tmp_path / 'drive'), '--duration', '20']) == 0
    capsys.readouterr()
    assert main(['inspect', str(tmp_path / 'drive')]) == 0
    printed = capsys.readouterr().out
    assert '#   - "{name: left_speed, topic: /motor_current, type: surface_msgs/msg/MotorCurrent' in printed
    assert "field: 'wheel_speed[right]', unit: m/s}" in printed


def test_no_motion_is_offered_where_no_topic_holds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    csv = tmp_path / 'drive.csv'
    lines = [f'{n / 50},{1 + (n % 7) / 7}' for n in range(200)]
    csv.write_text('time,current_left\n' + '\n'.join(lines) + '\n', encoding='utf-8')
    assert main(['inspect', str(csv)]) == 0
    assert 'motion_channels' not in capsys.readouterr().out
