# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""What the page of an evaluation shows of confidence, changes of surface and intervals: a picture and sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from surface_classifier.report.figures import INK, PALETTE, Picture, figure_svg, style_axes


def reliability_picture(name: str, reliability: Mapping[str, Any]) -> Picture:
    """Draw how often a classifier is right against how sure it is.

    Args:
        name: What the reader sees, such as "LSTM".
        reliability: As `Reliability.to_dict` gives it.
    """
    from matplotlib.figure import Figure

    bins = reliability['bins']
    confidence = [float(entry['confidence']) for entry in bins]
    accuracy = [float(entry['accuracy']) for entry in bins]
    windows = [int(entry['windows']) for entry in bins]
    figure = Figure(figsize=(4.5, 2.9), layout='constrained')
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=':')
    axes.plot(confidence, accuracy, color=PALETTE[0], linewidth=1.2)
    most = max(windows)
    axes.scatter(confidence, accuracy, s=[6 + 60 * count / most for count in windows], color=PALETTE[0])
    axes.set_xlabel('confidence')
    axes.set_ylabel('share that is right')
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    style_axes(axes)
    error = float(reliability['expected_calibration_error'])
    return Picture(
        title=f'Reliability: {name}',
        svg=figure_svg(figure),
        alt=f'Accuracy against confidence of {name}, in {len(bins)} bins',
        caption=f'Expected calibration error {error:.3f}; larger dots hold more windows. Below the line: too sure.',
    )


def comparison_sentences(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader should know of the scores of an evaluation; nothing where the result is of an older version.

    Args:
        result: What `surface evaluate --json` holds.
    """
    comparison = result.get('comparison') or {}
    if comparison.get('sentence'):
        text = str(comparison['sentence'])
        yield f'{text[0].upper()}{text[1:]}.'
    wrong = (comparison.get('zero_accuracy') or {}).get('lstm') or []
    if wrong:
        yield f'The LSTM gets no window right of {len(wrong)} recordings: {", ".join(wrong)}.'
    for key, title in (('lstm', 'LSTM'), ('trees', 'Trees')):
        found = ((result.get('streams') or {}).get(key) or {}).get('filtered')
        if found:
            delay = found['median_delay_s']
            found_after = 'more often missed than detected'
            if delay is not None and math.isfinite(delay):
                found_after = f'detected after {delay:.1f} s (median)'
            yield (
                f'{title} with the belief filter on streams of joined recordings: accuracy {found["accuracy"]:.3f}, a '
                f'change of surface is {found_after}, {found["false_changes_per_minute"]:.2f} false changes a minute.'
            )
