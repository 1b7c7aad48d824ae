# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The driver node with devices: what a board, a bus and servos measure is published, with its health."""

from __future__ import annotations

import platform
import time
from pathlib import Path

import numpy as np
import pytest
from pty_board import PtyBoard

from current_driver.devices.serial_port.sample_frames import encode_frame
from current_driver.driver_node import CurrentDriverNode
from current_driver.testing.ros_graph import Graph, level_of, values_of
from surface_classifier.nodes.conversion import to_ns
from surface_msgs.msg import MotorCurrent

REQUIRES = ('rclpy', 'surface_msgs')

OK, WARN, ERROR = 0, 1, 2


def connected(graph: Graph) -> None:
    graph.status('current_driver', lambda status: values_of(status).get('connected') == 'yes', 'a device')


def test_a_board_on_a_serial_port_is_published(graph: Graph, tmp_path: Path) -> None:
    pytest.importorskip('serial', reason='pyserial is not installed')
    with PtyBoard(tmp_path) as board:
        blocks = graph.collect(MotorCurrent, 'motor_current')
        driver = graph.start(
            CurrentDriverNode,
            {
                'source': 'serial',
                'serial.port': str(board.port),
                'serial.format': 'binary',
                'serial.columns': ['left', 'right'],
                'block_samples': 10,
                'frame_id': 'robot',
                'device.retry_s': 0.1,
            },
        )
        driver.start()
        graph.wait_for_publishers('motor_current')
        connected(graph)
        frames = [encode_frame(number, 1000 * number, [number / 2, -1.5]) for number in range(60)]
        board.send(b''.join(frames[:25] + frames[28:]))
        graph.wait_for(lambda: sum(len(block.offsets_ns) for block in blocks) == 57, 'the samples')
        numbers = [block.first_sample + index for block in blocks for index in range(len(block.offsets_ns))]
        assert numbers == [number for number in range(60) if number not in (25, 26, 27)]
        currents = np.concatenate([np.reshape(block.current, (-1, 2)) for block in blocks])
        np.testing.assert_array_equal(currents, [(number / 2, -1.5) for number in numbers])
        assert blocks[0].motor_names == ['left', 'right']
        assert blocks[0].header.frame_id == 'robot'
        assert abs(to_ns(blocks[0].header.stamp) - time.time_ns()) < 20 * 10**9
        status = graph.status('current_driver', lambda status: level_of(status) == WARN, 'the loss')
        assert 'loses samples' in status.message
        assert status.hardware_id == platform.node() != ''
        values = values_of(status)
        assert values['lost samples'] == '3'
        assert float(values['rate [Hz]']) > 0
        assert float(values['jitter [ms]']) >= 0

        board.unplug()
        status = graph.status('current_driver', lambda status: level_of(status) == ERROR, 'that it was unplugged')
        assert str(board.port) in status.message
        graph.diagnostics.clear()
        board.plug_in()
        connected(graph)
        board.send(b''.join(frames[:10]))
        graph.wait_for(lambda: sum(len(block.offsets_ns) for block in blocks) == 67, 'the samples')
        assert blocks[-1].stream_id != blocks[0].stream_id


def test_drives_on_a_can_bus_are_published(graph: Graph) -> None:
    can = pytest.importorskip('can', reason='python-can is not installed')
    blocks = graph.collect(MotorCurrent, 'motor_current')
    with can.Bus(interface='virtual', channel='node test', preserve_timestamps=True) as bus:
        driver = graph.start(
            CurrentDriverNode,
            {
                'source': 'can',
                'can.interface': 'virtual',
                'can.channel': 'node test',
                'can.motors': ['left=1', 'right=0x17'],
            },
        )
        driver.start()
        graph.wait_for_publishers('motor_current')
        connected(graph)
        start_s = time.time()
        for number in range(30):
            for node, tenths in ((1, number), (0x17, -2 * number)):
                data = (4000).to_bytes(4, 'big') + tenths.to_bytes(2, 'big', signed=True) + (500).to_bytes(2, 'big')
                bus.send(can.Message(start_s + number / 100, 9 << 8 | node, data=data))
        graph.wait_for(lambda: sum(len(block.offsets_ns) for block in blocks) == 30, 'the samples')
        currents = np.concatenate([np.reshape(block.current, (-1, 2)) for block in blocks])
        np.testing.assert_allclose(currents, [(number / 10, -number / 5) for number in range(30)], atol=1e-12)
        assert [block.first_sample for block in blocks] == [0, 10, 20]
        assert to_ns(blocks[0].header.stamp) == pytest.approx(start_s * 1e9, abs=1000)
        assert list(blocks[0].offsets_ns)[1] == pytest.approx(10_000_000, abs=1000)


def test_a_device_that_is_not_there_is_told_and_waited_for(graph: Graph, tmp_path: Path) -> None:
    pytest.importorskip('serial', reason='pyserial is not installed')
    driver = graph.start(
        CurrentDriverNode, {'source': 'serial', 'serial.port': str(tmp_path / 'ttyBOARD'), 'device.retry_s': 0.1}
    )
    driver.start()
    status = graph.status('current_driver', lambda status: level_of(status) == ERROR, 'what is missing')
    assert 'ttyBOARD' in status.message
    assert 'trying again' in status.message
    graph.diagnostics.clear()
    with PtyBoard(tmp_path):
        connected(graph)


@pytest.mark.parametrize(
    ('parameters', 'word'),
    [
        ({'source': 'serial'}, 'serial.port'),
        ({'source': 'can'}, 'can.motors'),
        ({'source': 'dynamixel', 'dynamixel.port': '/dev/null'}, 'dynamixel.motors'),
        ({'source': 'can', 'can.motors': ['left=1'], 'rate': 0.0}, 'rate'),
    ],
)
def test_parameters_that_describe_no_device_are_told(graph: Graph, parameters: dict[str, object], word: str) -> None:
    graph.start(CurrentDriverNode, parameters).start()
    status = graph.status('current_driver', lambda status: level_of(status) == ERROR, 'an error')
    assert word in status.message
