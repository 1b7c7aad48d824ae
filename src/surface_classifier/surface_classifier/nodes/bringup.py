# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Driver, preprocessor and classifier in one process, from the same parameter file as apart.

Samples and windows are handed over in the process; what somebody subscribes to is published as well. The driver's
thread reads, paces and cuts, the inference thread labels, and the executor is left with services and diagnostics.
"""

from __future__ import annotations

from current_driver.driver_node import CurrentDriverNode
from current_driver.node.base_node import MonitoredNode
from current_driver.node.run_nodes import run
from surface_classifier.model.contract import describe_windows
from surface_classifier.nodes.classifier_node import ClassifierNode, WindowKind
from surface_classifier.nodes.preprocessor_node import PreprocessorNode

LAST_LABEL_TIMEOUT_S = 60.0


def make_nodes() -> list[MonitoredNode]:
    """Make the three nodes and connect them."""
    driver = CurrentDriverNode()
    preprocessor = PreprocessorNode(local_topics=driver.local_topics, local_classifier=True)
    kind = None
    if preprocessor.config is not None:
        kind = WindowKind(preprocessor.config.digest, describe_windows(preprocessor.config))
    classifier = ClassifierNode(local_kind=kind)
    if kind is not None:
        preprocessor.hand_over(classifier.accept)
    for resolved_topic, take in preprocessor.local_inputs.items():
        driver.hand_over(resolved_topic, take)

    def finish() -> None:
        preprocessor.finish(LAST_LABEL_TIMEOUT_S)
        classifier.finish(LAST_LABEL_TIMEOUT_S)

    driver.start(before_exit=finish)
    return [driver, preprocessor, classifier]


def main() -> int:
    """Run the nodes."""
    return run(make_nodes)
