# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A trained model on another robot, payload or battery: from minutes of its drives, with labels or without.

What a network subtracts and divides by (its normalisation) is taken from the new robot's windows, labelled or not: a
sensor with another gain and a heavier robot shift and stretch all levels. That needs drives over all surfaces in about
the mix of the training data. From labelled windows the head, the last layer, is trained further, drawn towards what it
was (an L2 penalty on the change, as in Li, Grandvalet and Davoine, "Explicit inductive bias for transfer learning with
convolutional networks", 2018), so that little data changes little and what was learnt is not forgotten: nothing of the
old data is needed. The LSTM layers stay as they are.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from current_driver.errors import MessageError, SurfaceError
from current_driver.messages import StampedMessage
from current_driver.recordings.recording import Recording, surface_of_span
from surface_classifier import __version__
from surface_classifier.model.checkpoint import check_model_target, normalisation_of, save_model
from surface_classifier.model.contract import ModelContract, load_contract
from surface_classifier.model.engine import load_engine
from surface_classifier.model.network.ensemble import Network
from surface_classifier.model.network.network_weights import load_network
from surface_classifier.model.novelty import NoveltyTest
from surface_classifier.signal.window_config import WindowConfig
from surface_classifier.signal.window_stream import WindowStream
from surface_classifier.training.confidence.predictions import Predictions
from surface_classifier.training.cross_fit import network_classifier
from surface_classifier.training.engines.losses import class_weights
from surface_classifier.training.metrics import scores
from surface_classifier.training.prepared_windows import EVALUATION_BATCH
from surface_classifier.training.torch_state import one_thread

FEWEST_WINDOWS = 20
# On the squared change of the head, against the loss summed over the labelled windows.
HEAD_PULL = 20.0
HEAD_STEPS = 200
UNLABELLED = -1
# Of an adaptation, after the recordings are read: the network is adapted, the model is written.
ADAPTATION_STEPS = 2

Ids = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class RobotWindows:
    """Windows of one robot.

    Attributes:
        parts: For each part that a network sees (windows, samples, channels); NaN where unmeasured.
        labels: Class of each window as an index into the model's classes, -1 where none is known, (windows,).
        recording: Recording of each window as an index into `recordings`, (windows,).
        stamps_ns: Stamp of each window's last sample, (windows,) [ns].
        recordings: Names of the recordings they come from.
        motion: The part that measures the motion, (windows, samples, channels); None: the model has none.
    """

    parts: Sequence[Values]
    labels: Ids
    recording: Ids
    stamps_ns: Ids
    recordings: tuple[str, ...]
    motion: Values | None = None


@dataclass(frozen=True)
class Adaptation:
    """How a model was adapted.

    Attributes:
        contract: The contract of the adapted model.
        windows: Number of windows it was adapted on.
        labelled: How many of them were labelled.
        agreement_before: Share of the labelled windows that the old model labels as they are; NaN without any [1].
        agreement_after: The same of the adapted model, which has learnt from them [1].
    """

    contract: ModelContract
    windows: int
    labelled: int
    agreement_before: float
    agreement_after: float


def read_robot_windows(recordings: Iterable[Recording], contract: ModelContract) -> RobotWindows:
    """Cut recordings as the model takes them; windows over a change of surface and without a label count as unlabelled.

    Args:
        recordings: Labelled or not.
        contract: The model's contract.

    Raises:
        SurfaceError: A recording lacks a topic or a field, or holds a surface that the model does not know.
    """
    config: WindowConfig = contract.config
    parts: list[list[Values]] = [[] for _ in config.parts]
    labels: list[int] = []
    places: list[tuple[int, int]] = []
    names: list[str] = []
    for number, recording in enumerate(recordings):
        names.append(recording.name)
        stream = WindowStream(config)
        with recording.reader() as reader:
            segments = recording.segments(reader) if recording.is_labelled(reader) else []
            for surface in {segment.surface for segment in segments if segment.surface}:
                if surface not in contract.classes:
                    raise SurfaceError(
                        f'{recording.path}: is labelled {surface!r}, but the model knows '
                        f'{", ".join(contract.classes)}; leave the recording out, or train a model with this surface'
                    )
            try:
                topics = stream.resolve_topics(reader.topics)
                decoded = reader.decoded(topics, partial(_skip, stream, topics))
                for stamped, message in decoded:
                    for window in stream.push_message(topics[stamped.topic], message, stamped.stamp_ns):
                        label = surface_of_span(segments, window.start_ns, window.end_ns) if segments else None
                        labels.append(contract.classes.index(label) if label else UNLABELLED)
                        places.append((number, window.end_ns))
                        for values, part in zip(parts, config.parts, strict=True):
                            values.append(window.parts[part.name])
                stream.skipped.check()
            except SurfaceError as error:
                raise SurfaceError(f'{recording.path}: {error}') from error
    if len(labels) < FEWEST_WINDOWS:
        raise SurfaceError(
            f'{", ".join(names) or "no recording"}: {len(labels)} windows are too few to adapt a model; record at '
            f'least {FEWEST_WINDOWS * config.stride_s:.0f} s'
        )
    stacked = [np.stack(values) for values in parts]
    motion = stacked.pop() if config.motion_part is not None else None
    number, end_ns = np.array(places, dtype=np.int64).T
    return RobotWindows(stacked, np.array(labels, dtype=np.int64), number, end_ns, tuple(names), motion)


def _skip(stream: WindowStream, topics: Mapping[str, str], stamped: StampedMessage, error: MessageError) -> None:
    stream.skipped.skip(topics[stamped.topic], error)


def adapt_network(
    network: Network, windows: RobotWindows, *, use_labels: bool = True, head_pull: float = HEAD_PULL
) -> Network:
    """Return a network for another robot; the one given stays as it is.

    Args:
        network: A trained network.
        windows: Windows of the other robot.
        use_labels: Train the head further on the labelled windows; else the normalisation alone is adapted.
        head_pull: How strongly the head is drawn towards what it was, divided by the number of labelled windows.
    """
    adapted = copy.deepcopy(network).eval()
    parts = [torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32)) for part in windows.parts]
    with one_thread():
        adapted.fit_normalisation(parts)
        known = windows.labels != UNLABELLED
        if use_labels and known.any():
            labels = torch.from_numpy(windows.labels[known])
            features = _features(adapted, [part[torch.from_numpy(known)] for part in parts])
            _train_head(adapted, features, labels, head_pull / len(labels))
    return adapted


def adapt_model(
    model: Path | str,
    recordings: Sequence[Recording],
    output: Path | str,
    *,
    use_labels: bool = True,
    overwrite: bool = False,
    on_progress: Callable[[int], object] | None = None,
) -> Adaptation:
    """Adapt a model to another robot and write it.

    Args:
        model: Folder of the model.
        recordings: Drives of the other robot.
        output: Folder to make.
        use_labels: Train the head further on labelled windows.
        overwrite: Replace a model that is there already.
        on_progress: Called with 1 after each recording is read, after the network is adapted, and after the model is
            written: `ADAPTATION_STEPS` times more than there are recordings.

    Raises:
        SurfaceError: The model or the recordings cannot be used, or nothing can be written there.
    """
    check_model_target(output, overwrite)
    contract = load_contract(model)
    network = load_network(model, contract)
    tell = on_progress or (lambda _: None)

    def read() -> Iterator[Recording]:
        for recording in recordings:
            yield recording
            tell(1)

    windows = read_robot_windows(read(), contract)
    adapted = adapt_network(network, windows, use_labels=use_labels)
    tell(1)
    test = load_engine(model).novelty_test
    known = windows.labels != UNLABELLED
    changed = replace(
        contract,
        normalisation=normalisation_of(adapted, contract.config),
        training_data={
            **contract.training_data,
            'adapted_from': contract.weights_sha256,
            'adapted_on': list(windows.recordings),
            'adapted_on_windows': len(windows.labels),
            'adapted_on_labelled_windows': int(known.sum()) if use_labels else 0,
        },
        # Scores and thresholds were found on the old robot.
        scores={},
        conformal={},
        created_by=f'surface_classifier {__version__}',
    )
    written = save_model(
        output,
        adapted,
        changed,
        overwrite,
        novelty_test=None if test is None else adapt_novelty(test, windows, use_labels=use_labels),
    )
    tell(1)
    return Adaptation(
        contract=written,
        windows=len(windows.labels),
        labelled=int(known.sum()),
        agreement_before=_agreement(predict_labelled(network, windows, fitted=False)),
        agreement_after=_agreement(predict_labelled(adapted, windows, fitted=use_labels)),
    )


def adapt_novelty(test: NoveltyTest, windows: RobotWindows, *, use_labels: bool = True) -> NoveltyTest:
    """Return the test in the units of another robot: its levels are compared as shares of their typical size.

    Motions of the labelled windows are known from then on: the head has learnt from them.

    Args:
        test: The test of the old robot.
        windows: Windows of the other robot.
        use_labels: Whether the head was trained on the labelled ones.
    """
    scale = np.concatenate([np.nanstd(part.reshape(-1, part.shape[2]), axis=0) for part in windows.parts])
    scale = np.where(np.isfinite(scale) & (scale > 0.0), scale, test.scale)
    stretch = scale / test.scale
    motion = test.motion
    labelled = windows.labels != UNLABELLED
    if motion is not None and windows.motion is not None and use_labels and labelled.any():
        motion = motion.with_references(windows.motion[labelled])
    return replace(test, scale=scale, quiet=test.quiet * stretch, idle=test.idle * stretch, motion=motion)


def _features(network: Network, parts: Sequence[Tensor]) -> Tensor:
    """Return what the heads see of windows, (windows, features)."""
    network.eval()
    with torch.no_grad():
        batches = zip(*(part.split(EVALUATION_BATCH) for part in parts), strict=True)
        return torch.cat([network.features(*network.prepare(*batch)) for batch in batches])


def _train_head(network: Network, features: Tensor, labels: Tensor, pull: float) -> None:
    """Train the head on labelled windows, every class counting the same, drawn towards what it was."""
    trained = [parameter for head in network.heads for parameter in head.parameters()]
    before = [parameter.detach().clone() for parameter in trained]
    weights = class_weights(labels, network.classes, 'weights')[labels]
    optimizer = torch.optim.LBFGS(trained, max_iter=HEAD_STEPS, line_search_fn='strong_wolfe')

    def loss() -> Tensor:
        optimizer.zero_grad()
        entropy = (
            functional.cross_entropy(network.classify_features(features), labels, reduction='none') * weights
        ).mean()
        moved = torch.stack([(now - old).square().sum() for now, old in zip(trained, before, strict=True)])
        total: Tensor = entropy + pull * moved.sum()
        total.backward()
        return total

    optimizer.step(loss)


def predict_labelled(network: Network, windows: RobotWindows, *, fitted: bool) -> Predictions:
    """Return what a network predicts of the labelled windows.

    Args:
        network: The network.
        windows: Windows of a robot.
        fitted: Whether the network was trained on them.
    """
    known = windows.labels != UNLABELLED
    recording = windows.recording[known]
    labelled = [part[known] for part in windows.parts]
    return Predictions.of(
        network_classifier(network)(labelled) if known.any() else np.zeros((0, network.classes)),
        windows.labels[known],
        recording,
        windows.stamps_ns[known],
        fitted=recording if fitted else None,
    )


def _agreement(predictions: Predictions) -> float:
    return scores(predictions.labels, predictions.predicted)['accuracy'] if len(predictions) else math.nan
