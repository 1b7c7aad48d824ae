# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Times one label of models as shipped: the bare network by each engine, and the whole label, novelty and belief on.

The windows of a data set go through one at a time. Old and new check take turns on every window, so that a busy machine
is busy for both: `old check` is `NoveltyTest`, which takes batches, `new check` is `NoveltyPass`. The network of ONNX
Runtime (the reference) and of numpy take turns as well, and their probabilities and scores are compared.

Without ONNX Runtime its columns are missing; the script needs no torch.

Example:
    python bench/inference/label_cost.py --models models/default models/accurate --data data/simulated --windows 2000
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surface_classifier.data.dataset import Dataset
from surface_classifier.model.engine import InferenceEngine, load_engine
from surface_classifier.model.labeller import Labeller
from surface_classifier.model.novelty import NoveltyTest
from surface_classifier.model.novelty_pass import NoveltyPass
from surface_classifier.signal.window_stream import Window

WARM_UP = 20
# Medians hide nothing but the neighbours on a shared machine hide much: the tenth percentile stands beside them.
PERCENTILES = (10, 50)

Parts = list[NDArray[np.float64]]


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--models', nargs='+', type=Path, required=True, help='folders of models')
    parser.add_argument('--data', nargs='+', type=Path, required=True, help='their data sets, or one for all')
    parser.add_argument('--windows', type=int, default=2000, help='windows of each (%(default)d)')
    parser.add_argument('--noise', type=float, default=0.05, help='added to the values, in deviations (%(default)g)')
    parser.add_argument('--json', type=Path, help='file for the result')
    args = parser.parse_args(argv)
    data = args.data * len(args.models) if len(args.data) == 1 else args.data
    found = {}
    for model, path in zip(args.models, data, strict=True):
        found[model.name] = measure(model, Dataset.load(path), args.windows, args.noise)
        print(f'{model.name} (numpy {np.__version__}): {json.dumps(found[model.name], indent=1)}', flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + '\n', encoding='utf-8')
    return 0


def measure(model: Path, dataset: Dataset, windows: int, noise: float) -> dict[str, Any]:
    """Return times [us], ratios and largest differences of a model on windows of a data set."""
    has_onnx = importlib.util.find_spec('onnxruntime') is not None
    engines = {name: load_engine(model, name) for name in (('onnx', 'numpy') if has_onnx else ('numpy',))}
    reference = next(iter(engines.values()))
    cut = windows_of(reference, dataset, windows, noise)
    test = reference.novelty_test
    single = NoveltyPass(test) if test is not None else None
    labeller = Labeller(reference)
    names = [part.name for part in reference.contract.config.input_parts]
    times_s: dict[str, list[float]] = {}
    difference = score_difference = 0.0
    for index, parts in enumerate(cut):
        batch = [part[np.newaxis] for part in parts]
        answers = [timed(times_s, f'{name} network', engine.predict, batch) for name, engine in engines.items()]
        difference = max(difference, float(np.abs(answers[0] - answers[-1]).max()))
        if test is not None and single is not None:
            _, old = timed(times_s, 'old check', check_as_before, test, parts)
            fault, new = timed(times_s, 'new check', single.check, parts)
            if fault is None:
                score_difference = max(score_difference, abs(old - new))
        end_ns = (index + 1) * 10**8
        starts, whole = dict.fromkeys(names, end_ns - 10**8), dict.fromkeys(names, 1.0)
        window = Window(index, end_ns - 10**8, end_ns, dict(zip(names, parts, strict=True)), 1.0, starts, whole)
        timed(times_s, 'label', labeller.label, window)
    return summary(times_s, reference.name, difference, score_difference)


def windows_of(engine: InferenceEngine, dataset: Dataset, windows: int, noise: float) -> list[Parts]:
    """Return windows with noise, so that none is one of the training windows that the novelty check remembers."""
    rng = np.random.default_rng(0)
    arrays = [np.asarray(dataset.parts[part.name]) for part in engine.contract.config.input_parts]
    spreads = [np.nanstd(array, axis=(0, 1)) for array in arrays]
    return [
        [
            array[row % len(dataset)] + noise * spread * rng.normal(size=array.shape[1:])
            for array, spread in zip(arrays, spreads, strict=True)
        ]
        for row in range(windows)
    ]


def check_as_before(test: NoveltyTest, parts: Parts) -> tuple[str | None, float]:
    """Return fault and score of a window by the code for batches."""
    return test.fault(parts), float(test.score([part[np.newaxis] for part in parts])[0])


def timed(times_s: dict[str, list[float]], name: str, call: Callable[..., Any], *arguments: object) -> Any:
    """Call a function, keep how long it took, and return its result."""
    begin_s = time.perf_counter()
    result = call(*arguments)
    times_s.setdefault(name, []).append(time.perf_counter() - begin_s)
    return result


def summary(
    times_s: dict[str, list[float]], reference: str, difference: float, score_difference: float
) -> dict[str, Any]:
    """Return what was measured as JSON types."""
    us = {
        name: [round(1e6 * float(value), 1) for value in np.percentile(times[WARM_UP:], PERCENTILES)]
        for name, times in times_s.items()
    }
    result: dict[str, Any] = {'times_us_p10_p50': us, 'largest_difference_of_scores': score_difference}
    if reference == 'onnx':
        result['largest_difference_of_probabilities'] = difference
        pairs = zip(us['numpy network'], us['onnx network'], strict=True)
        result['numpy_to_onnx'] = [round(ours / theirs, 2) for ours, theirs in pairs]
    if 'old check' in us:
        # The label of before: this one with the old check in the place of the new one.
        rows = zip(us['label'], us['new check'], us['old check'], strict=True)
        result['new_label_to_old_label'] = [round(label / (label - new + old), 3) for label, new, old in rows]
    return result


if __name__ == '__main__':
    sys.exit(main())
