# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What rqt_plot is asked to show is in the message that the classifier publishes."""

from surface_classifier.nodes.classifier_node import LABEL_TOPIC as PUBLISHED_TOPIC
from surface_classifier.signal.field_path import FieldReader
from surface_classifier.startup.launch_arguments import LABEL_TOPIC, LABEL_TYPE, plotted_fields
from surface_msgs.msg import SurfaceLabel

REQUIRES = ('rclpy', 'surface_msgs')


def test_plotted_fields_are_read_from_a_label() -> None:
    package, _, name = LABEL_TYPE.split('/')
    assert (SurfaceLabel.__module__.split('.')[0], SurfaceLabel.__name__) == (package, name)
    assert LABEL_TOPIC == PUBLISHED_TOPIC
    label = SurfaceLabel(confidence=0.6, class_names=['gravel', 'tiles'], probabilities=[0.6, 0.4])
    assert [FieldReader(field).read(label) for field in plotted_fields(2)] == [0.6, 0.6, 0.4]
