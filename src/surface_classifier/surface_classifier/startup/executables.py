# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The executables of this package. Each imports its node only after Ctrl-C is made to end the process quietly."""

from __future__ import annotations

from typing import NoReturn

from current_driver.entry import start


def bringup() -> NoReturn:
    """Run driver, preprocessor and classifier in one process."""
    start('surface_classifier.nodes.bringup')


def classifier_node() -> NoReturn:
    """Run the classifier."""
    start('surface_classifier.nodes.classifier_node')


def plot() -> NoReturn:
    """Run `surface_plot`."""
    start('surface_classifier.nodes.clients.plot_window')


def preprocessor_node() -> NoReturn:
    """Run the preprocessor."""
    start('surface_classifier.nodes.preprocessor_node')


def trainer_node() -> NoReturn:
    """Run the trainer."""
    start('surface_classifier.nodes.trainer_node')
