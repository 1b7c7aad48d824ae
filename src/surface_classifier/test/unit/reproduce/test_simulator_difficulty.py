# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated task is neither trivial nor hopeless: two simple classifiers on held-out drives, then a digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import NearestCentroid

from current_driver.simulation.drive_plan import PlanParameters
from current_driver.simulation.simulator import RobotParameters, Simulator, SimulatorConfig
from current_driver.simulation.surfaces import SURFACES
from surface_classifier.diagnosis.hand_features import hand_features

Windows = tuple[NDArray[np.float64], NDArray[np.int64]]

# Changing a parameter changes how hard the task is: measure again, with other seeds as well, and only then change this.
FROZEN_PARAMETERS = '2d610c5866a873d294b419f240eff06bd1ace36878a530316da2403624dbf237'


def parameter_digest() -> str:
    """Return the SHA-256 of every number that sets how hard the simulated task is: surfaces, robot and plan."""
    parameters = {
        'surfaces': {name: asdict(surface) for name, surface in SURFACES.items()},
        'robot': asdict(RobotParameters()),
        'plan': asdict(PlanParameters()),
    }
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


def windows(seeds: range) -> Windows:
    """Return windows of 1 s every 0.5 s on one surface each, from one drive of three minutes for each seed."""
    found, labels = [], []
    for seed in seeds:
        simulator = Simulator(SimulatorConfig(seed=seed))
        current = simulator.step(18_000).current_a
        surface = simulator.surface_indices(0, len(current))
        for first in range(0, len(current) - 99, 50):
            inside = slice(first, first + 100)
            if np.all(surface[inside] == surface[first]):
                found.append(current[inside])
                labels.append(surface[first])
    return np.array(found), np.array(labels)


@pytest.fixture(scope='module')
def held_out() -> Windows:
    """Drives that no classifier has seen: other floors, profiles, payloads, gains and batteries."""
    return windows(range(101, 109))


@pytest.mark.parametrize('seeds', [range(1, 5), range(5, 9), range(1, 9)])
def test_mean_current_is_not_enough_and_ten_features_are(seeds: range, held_out: Windows) -> None:
    known, surface = windows(seeds)
    unknown, truth = held_out
    assert np.bincount(truth).min() > 400

    nearest = NearestCentroid().fit(known.mean(axis=1), surface)
    mean_score = balanced_accuracy_score(truth, nearest.predict(unknown.mean(axis=1)))
    lda = LinearDiscriminantAnalysis().fit(hand_features(known), surface)
    feature_score = balanced_accuracy_score(truth, lda.predict(hand_features(unknown)))

    assert 1 / 6 < mean_score <= 0.50
    assert 0.65 <= feature_score <= 0.90


def test_parameters_are_frozen() -> None:
    assert parameter_digest() == FROZEN_PARAMETERS
