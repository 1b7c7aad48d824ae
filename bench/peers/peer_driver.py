# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The peer's driver in `live_chain.py`: a baseline node, one JointState a sample from a timer.

Usage: python bench/peers/peer_driver.py SAMPLES.npy RATE_HZ
"""

import contextlib
import sys

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState


class PeerDriver(Node):
    """Publishes one row of an array at every tick of a timer."""

    def __init__(self, samples: np.ndarray, rate_hz: float) -> None:
        """Takes (samples, motors) currents [A] and the sample rate [Hz]."""
        super().__init__('peer_driver')
        self._samples = samples
        self._next = 0
        self._names = [f'motor_{index}' for index in range(samples.shape[1])]
        self._publisher = self.create_publisher(JointState, 'joint_states', qos_profile_sensor_data)
        self.create_timer(1.0 / rate_hz, self._publish)

    def _publish(self) -> None:
        message = JointState()
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = str(self._next)
        message.name = self._names
        message.effort = self._samples[self._next % len(self._samples)].tolist()
        self._publisher.publish(message)
        self._next += 1


def main() -> None:
    """Publishes until Ctrl-C."""
    rclpy.init()
    node = PeerDriver(np.load(sys.argv[1], allow_pickle=False), float(sys.argv[2]))
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


if __name__ == '__main__':
    main()
