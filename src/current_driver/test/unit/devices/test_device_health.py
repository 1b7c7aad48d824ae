# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What is said of a device, from what was counted."""

from __future__ import annotations

import pytest

from current_driver.devices.device_health import DeviceState, device_health
from current_driver.node.health import DriverState, Level, driver_health

BOARD = '/dev/ttyUSB0 (csv at 115200 baud)'


@pytest.mark.parametrize(
    ('state', 'level', 'words'),
    [
        (DeviceState(BOARD, samples=9), Level.OK, ('publishing',)),
        (DeviceState(BOARD, trouble='it is gone', retry_s=2.0), Level.ERROR, ('it is gone', 'again every 2 s')),
        (DeviceState(BOARD, samples=9, silent_s=3.0), Level.WARN, (BOARD, 'no sample', 'check that it sends')),
        (
            DeviceState(BOARD, silent_s=3.0, counters={'malformed lines': 7, 'CRC errors': 0}),
            Level.WARN,
            ('malformed lines', 'speed and the format'),
        ),
        (DeviceState(BOARD, samples=9, lost=2, lost_ago_s=1.0), Level.WARN, ('loses samples',)),
        (DeviceState(BOARD, samples=9, lost=2, lost_ago_s=60.0), Level.OK, ('publishing',)),
        (DeviceState(BOARD, samples=9, warning='no priority'), Level.WARN, ('no priority',)),
    ],
)
def test_a_state_is_reported_in_a_sentence(state: DeviceState, level: Level, words: tuple[str, ...]) -> None:
    for health in (device_health(state), driver_health(DriverState(stage='publishing', device=device_health(state)))):
        assert health.level is level
        for word in words:
            assert word in health.text
        assert health.values['lost samples'] == state.lost
        assert health.values['connected'] == ('no' if state.trouble else 'yes')


def test_only_what_was_counted_is_listed() -> None:
    values = device_health(DeviceState(BOARD, counters={'malformed lines': 7, 'CRC errors': 0}, drift_ppm=12.34)).values
    assert values['malformed lines'] == 7
    assert 'CRC errors' not in values
    assert values['clock drift [ppm]'] == '12.3'


def test_a_fault_of_the_node_goes_before_the_device() -> None:
    device = device_health(DeviceState(BOARD))
    health = driver_health(DriverState(fault='no such parameter', device=device))
    assert (health.level, health.text) == (Level.ERROR, 'no such parameter')
