# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The classifier labels with novelty and belief where imports of every package from pip fail, and says what runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from model_samples import learnable_dataset

from surface_classifier.cli.main import main
from surface_classifier.startup.node_processes import free_domain_id

REQUIRES = ('rclpy', 'surface_msgs', 'torch')
TIMEOUT_S = 300.0

NODE = """
import json, sys

class Blocked:
    names = {'onnxruntime', 'onnx', 'torch', 'safetensors', 'rosbags', 'mcap', 'sklearn', 'scipy'}

    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in self.names:
            raise ModuleNotFoundError(f'{name} is blocked', name=name)

sys.meta_path.insert(0, Blocked())

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from surface_classifier.nodes.classifier_node import ClassifierNode, WindowKind
from surface_classifier.model.contract import describe_windows, load_contract
from surface_classifier.signal.window_stream import Window
from surface_msgs.msg import SurfaceLabel

model, windows = sys.argv[1], np.load(sys.argv[2])
config = load_contract(model).config
rclpy.init(args=[])
node = ClassifierNode(
    local_kind=WindowKind(config.digest, describe_windows(config)),
    parameter_overrides=[Parameter('model', value=model)],
)
listener = rclpy.create_node('listener')
labels = []
listener.create_subscription(SurfaceLabel, 'surface_label', labels.append, 100)
executor = SingleThreadedExecutor()
executor.add_node(node)
executor.add_node(listener)
while not node.count_subscribers('surface_label'):
    executor.spin_once(timeout_sec=0.05)
index = 0
while not labels:
    end_ns = (index + 1) * 10**9
    parts = {'motor': windows[index % len(windows)]}
    node.accept(Window(index, end_ns - 10**9, end_ns, parts, 1.0, {'motor': end_ns - 10**9}, {'motor': 1.0}), '')
    index += 1
    executor.spin_once(timeout_sec=0.05)
values = {'engine': node.health().values['engine'], 'surface': labels[0].surface, 'reason': int(labels[0].reason)}
values['novelty'], values['probabilities'] = float(labels[0].novelty), [float(p) for p in labels[0].probabilities]
node.close()
node.destroy_node()
listener.destroy_node()
rclpy.shutdown()
print(json.dumps(values))
"""


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('trained')
    learnable_dataset(folder / 'set')
    assert main(['train', str(folder / 'set'), '-o', str(folder / 'model'), '--epochs', '2']) == 0
    return folder


def test_the_classifier_labels_without_any_package_from_pip(trained: Path) -> None:
    command = [sys.executable, '-c', NODE, str(trained / 'model'), str(trained / 'set' / 'part_motor.npy')]
    done = subprocess.run(
        command,
        env={**os.environ, 'ROS_DOMAIN_ID': str(free_domain_id())},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    label = json.loads(done.stdout.splitlines()[-1])
    assert label['engine'] == 'numpy on cpu'
    assert label['novelty'] > 0.0, 'the novelty check ran'
    assert sum(label['probabilities']) == pytest.approx(1.0)
    assert label['surface'] in ('gravel', 'ice', 'snow', 'unknown')
