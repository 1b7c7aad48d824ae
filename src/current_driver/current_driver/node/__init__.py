# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What every node of the suite shares: base node, QoS, flow control, parameter tables, health and pacing.

`acknowledgement`, `base_node`, `decoding`, `flow_control`, `qos`, `qos_conflicts` and `run_nodes` import ROS; the
others do not.
"""

__all__ = [
    'acknowledgement',
    'arrival_watch',
    'base_node',
    'decoding',
    'flow_control',
    'health',
    'node_parameters',
    'pacing',
    'qos',
    'ros_types',
    'run_nodes',
    'shared_memory',
]
