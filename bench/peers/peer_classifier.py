# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The peer's classifier in `live_chain.py`: a deque of samples and torch in the callback, a label every ten samples.

It has the weights of our model, so that the labels of both can be compared.

Usage: python bench/peers/peer_classifier.py WEIGHTS.safetensors CLASS ...
"""

import contextlib
import sys
from collections import deque

import numpy as np
import rclpy
import torch
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from safetensors.torch import load_file
from sensor_msgs.msg import JointState

WINDOW_SAMPLES = 100
STRIDE_SAMPLES = 10


class PeerLstm(torch.nn.Module):
    """A plain LSTM and a dense layer on its last output."""

    def __init__(self, weights: dict[str, torch.Tensor]) -> None:
        """Takes the weights of a `SurfaceNetwork` with one part, one layer and the last state."""
        super().__init__()
        hidden, channels = weights['layers.0.0.weight_hh_l0'].shape[1], weights['layers.0.0.weight_ih_l0'].shape[1]
        self.lstm = torch.nn.LSTM(channels, hidden, batch_first=True)
        prefix = 'layers.0.0.'
        layer = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
        self.lstm.load_state_dict(layer)
        self.head = torch.nn.Linear(hidden, weights['head.weight'].shape[0])
        self.head.load_state_dict({'weight': weights['head.weight'], 'bias': weights['head.bias']})
        self.mean, self.scale = weights['scalers.0.mean'], weights['scalers.0.scale']

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Probabilities (1, classes) of one window (1, samples, channels)."""
        outputs, _ = self.lstm((window - self.mean) / self.scale)
        return torch.softmax(self.head(outputs[:, -1]), dim=1)


class PeerClassifier(Node):
    """Keeps the last 100 samples and labels them every ten samples, in the callback."""

    def __init__(self, model: PeerLstm, class_names: list[str]) -> None:
        """Subscribes at once."""
        super().__init__('peer_classifier')
        self._model = model
        self._class_names = class_names
        self._window: deque[list[float]] = deque(maxlen=WINDOW_SAMPLES)
        self._received = 0
        # A JointState carries the label, because it has a header and numbers; the newest sample's header goes along.
        self._publisher = self.create_publisher(JointState, 'label', 10)
        self.create_subscription(JointState, 'joint_states', self._on_sample, qos_profile_sensor_data)

    def _on_sample(self, message: JointState) -> None:
        self._window.append(message.effort)
        self._received += 1
        if len(self._window) < WINDOW_SAMPLES or self._received % STRIDE_SAMPLES:
            return
        with torch.no_grad():
            probabilities = self._model(torch.tensor(np.array(self._window), dtype=torch.float32).unsqueeze(0))[0]
        label = JointState()
        label.header = message.header
        label.name = [self._class_names[int(probabilities.argmax())]]
        label.effort = probabilities.tolist()
        self._publisher.publish(label)


def main() -> None:
    """Labels until Ctrl-C."""
    torch.set_num_threads(1)
    model = PeerLstm(load_file(sys.argv[1])).eval()
    rclpy.init()
    node = PeerClassifier(model, sys.argv[2:])
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


if __name__ == '__main__':
    main()
