# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of predicted labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support, recall_score

Ids = NDArray[np.int64]


def scores(truth: Ids, predicted: Ids) -> dict[str, float]:
    """Return accuracy, balanced accuracy and macro-F1 of class ids, each 0 to 1.

    Balanced accuracy is the mean recall of the classes in `truth`; macro-F1 is the mean over the classes in `truth` or
    `predicted` (a class that never occurs in either has no F1).
    """
    present = np.unique(truth)
    return {
        'accuracy': float(accuracy_score(truth, predicted)),
        'balanced_accuracy': float(recall_score(truth, predicted, labels=present, average='macro', zero_division=0)),
        'macro_f1': float(f1_score(truth, predicted, average='macro', zero_division=0)),
    }


def per_class_scores(truth: Ids, predicted: Ids, classes: tuple[str, ...]) -> dict[str, dict[str, float | int]]:
    """Return `precision`, `recall`, `f1` (each 0 to 1) and `windows` (of that truth) for every class name."""
    values = precision_recall_fscore_support(truth, predicted, labels=range(len(classes)), zero_division=0)
    return {
        name: {'precision': float(p), 'recall': float(r), 'f1': float(f), 'windows': int(n)}
        for name, p, r, f, n in zip(classes, *values, strict=True)
    }


def confusion(truth: Ids, predicted: Ids, classes: int) -> list[list[int]]:
    """Return window counts; row i, column j: how many of class i were taken for class j."""
    counts: list[list[int]] = confusion_matrix(truth, predicted, labels=range(classes)).tolist()
    return counts
