# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Legends above the axes, with matplotlib before and since 3.7, which first knew legends outside the axes."""

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from surface_classifier.report.figures import legend_above


@pytest.mark.parametrize('entries', [1, 3, 7])
@pytest.mark.parametrize('place', ['upper left', 'upper center'])
@pytest.mark.parametrize('version', [(3, 6, 3), matplotlib.__version_info__[:3]])
def test_a_legend_hides_nothing_of_the_axes(
    version: tuple[int, int, int], place: str, entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = Figure(figsize=(6.0, 3.0), layout='constrained')
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    for entry in range(entries):
        axes.plot([0, 1], [0, entry], label=f'surface {entry}')
    monkeypatch.setattr(matplotlib, '__version_info__', version)
    legend_above(figure, place, ncols=3, fontsize=8.5)
    monkeypatch.undo()
    canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    plotted = axes.get_window_extent()
    assert box.y0 >= plotted.y1
    assert box.y1 <= figure.bbox.y1
    assert plotted.height > 0.5 * figure.bbox.height
