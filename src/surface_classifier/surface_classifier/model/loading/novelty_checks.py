# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of a novelty test: shapes against the contract, finite numbers, trees whose paths end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.model.contract import ModelContract
from surface_classifier.model.level_features import IDLE_VALUES, LEVELS
from surface_classifier.model.novelty import Forest, NoveltyTest, distribution_features
from surface_classifier.model.unseen_motion import motion_features, motion_series

ANY = -1  # a length that nothing fixes


def load_novelty_test(content: bytes, contract: ModelContract, file: Path) -> NoveltyTest:
    """Return the test that a model's file holds.

    Args:
        content: The file's bytes, compared with their digest.
        contract: The model's contract.
        file: The file, named in errors.

    Raises:
        SurfaceError: It is damaged, or does not suit the contract.
    """
    test = NoveltyTest.from_bytes(content, file)
    try:
        _check_test(test, contract)
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise SurfaceError(
            f'{file} does not suit its contract: {error}; copy the model again or train it again'
        ) from error
    return test


def _check_test(test: NoveltyTest, contract: ModelContract) -> None:
    parts = [len(part.channels) for part in contract.config.input_parts]
    channels = sum(parts)
    for name in ('scale', 'quiet', 'idle'):
        _check(name, getattr(test, name), (channels,), positive=name == 'scale')
    if len(test.levels.parts) != len(parts):
        raise ValueError(f'it has levels of {len(test.levels.parts)} parts, the window has {len(parts)}')
    for index, (levels, count) in enumerate(zip(test.levels.parts, parts, strict=True)):
        _check(f'levels.{index}', levels.levels, (count, LEVELS))
        # A channel without commonest values has none.
        _check(f'idle.{index}', np.nan_to_num(levels.idle, nan=0.0), (count, IDLE_VALUES))
    window = [np.zeros((1, 2, count)) for count in parts]
    features = distribution_features(window, test.scale).shape[1]
    _check('may_be_equal', test.may_be_equal, (1,))
    _check('centre', test.centre, (features,))
    _check('spread', test.spread, (features,), positive=True)
    _check('references', test.references, (ANY, features))
    _check('usual', test.usual, (2, 2))
    _check('usual[1]', test.usual[1], (2,), positive=True)
    _check('threshold', test.threshold, (2,))
    _check('threshold[1]', test.threshold[1:], (1,), positive=True)
    _check('memory_s', test.memory_s, (1,), positive=True)
    _check_forest(test.forest, test.levels.transform(window).shape[1], len(contract.classes))
    _check_motion(test, contract)


def _check_forest(forest: Forest, features: int, classes: int) -> None:
    """Check shapes and places, and that every path from a root ends at a leaf."""
    nodes = len(forest.feature)
    _check('forest.feature', forest.feature, (nodes,), kind='i')
    _check('forest.threshold', forest.threshold, (nodes,))
    _check('forest.children', forest.children, (nodes, 2), kind='i')
    _check('forest.shares', forest.shares, (ANY, classes))
    if not 1 <= forest.trees <= nodes:
        raise ValueError(f'its forest has {forest.trees} trees of {nodes} nodes')
    if (forest.shares < 0.0).any() or (forest.shares > 1.0).any():
        raise ValueError('forest.shares are not between 0 and 1')
    is_leaf = forest.feature < 0
    leaves, inner = forest.children[is_leaf, 0], forest.children[~is_leaf].ravel()
    if (forest.feature >= features).any() or not _within(leaves, 0, len(forest.shares)):
        raise ValueError('its forest looks at features or leaves that do not exist')
    # No node has two parents and no root has one: no path comes back to where it was.
    if not _within(inner, forest.trees, nodes) or len(np.unique(inner)) != len(inner):
        raise ValueError('the nodes of its forest are not those of trees')


def _check_motion(test: NoveltyTest, contract: ModelContract) -> None:
    motion, part = test.motion, contract.config.motion_part
    if motion is None:
        return
    if part is None:
        raise ValueError('it tests the motion, but no part of the window tells it')
    channels = len(part.channels)
    _check('motion.is_speed', motion.is_speed, (channels,), kind='b')
    if not motion.is_speed.any():
        raise ValueError('motion.is_speed names no channel')
    features = motion_features(motion_series(np.zeros((1, 2, channels)), motion.is_speed)).shape[1]
    _check('motion.scale', motion.scale, (features,), positive=True)
    _check('motion.references', motion.references, (ANY, features))
    _check('motion.threshold', motion.threshold, (1,), positive=True)


def _check(name: str, values: NDArray[Any], shape: tuple[int, ...], *, kind: str = 'f', positive: bool = False) -> None:
    """Raise ValueError unless an array has a shape, a kind of numbers, at least one row and finite values."""
    expected = tuple(max(1, len(values)) if size == ANY else size for size in shape)
    if values.shape != expected or values.dtype.kind != kind:
        raise ValueError(f'{name} has the shape {values.shape} of {values.dtype}, not {expected}')
    if not np.isfinite(values).all() or (positive and not (values > 0).all()):
        raise ValueError(f'{name} holds values that are not {"positive" if positive else "finite"} numbers')


def _within(values: NDArray[Any], low: int, end: int) -> bool:
    return bool(((values >= low) & (values < end)).all())
