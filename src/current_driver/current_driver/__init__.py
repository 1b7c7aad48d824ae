# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""ROS-free sources and readers of motor current: simulator, replay, rosbag2 bags and CSV recordings."""
