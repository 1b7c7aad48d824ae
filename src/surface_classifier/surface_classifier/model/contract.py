# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The contract of a model: what it was trained for, and the digests of the files that hold it.

A model is a folder with `model.json` (this contract), `weights.safetensors`, `model.onnx` and, where the model can tell
what it was not trained for, `novelty.safetensors`. The contract states the channels, rates and window the model takes,
its classes, its normalisation, how its answers are calibrated and add up over time, where its training data came from
and the SHA-256 of the other files and of itself, so that a changed bit anywhere is refused and a mismatch is told with
both sides named. Nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from current_driver.errors import SurfaceError
from current_driver.files.documents import read_json
from current_driver.files.output_folders import complete_replacement
from surface_classifier.model.belief import BeliefSettings
from surface_classifier.signal.window_config import WindowConfig

CONTRACT_FORMAT = 2
CONTRACT_FILE = 'model.json'
WEIGHTS_FILE = 'weights.safetensors'
ONNX_FILE = 'model.onnx'
NOVELTY_FILE = 'novelty.safetensors'
CURVE_FILE = 'training_curve.json'  # how the training went, for reports alone


@dataclass(frozen=True)
class ModelContract:
    """Everything about a model except its weights.

    Attributes:
        config: The windows the model takes: parts, channels, units, rates and samples.
        classes: Class names in the order of the model's outputs.
        architecture: The network, as `NetworkConfig.to_dict()` gives it.
        normalisation: For each part its channels' `mean` and `scale` [channel units], for the reader of the contract;
            the network holds the same numbers among its weights.
        calibration: `temperature` [1] by which logits are divided before the softmax, and the `method` that chose it.
        training_data: Digest and size of the data set, and the names of the recordings held out.
        training: The recipe, as `TrainingConfig.to_dict()` gives it, and how long it ran.
        seed: Seed of the training run.
        scores: Scores on the recordings held out for early stopping; empty when there were none.
        belief: How evidence adds up over windows, as `BeliefSettings.to_dict()` gives it; empty: each window stands for
            itself.
        conformal: `levels` and `thresholds` of the sets of possible surfaces; empty: none can be stated.
        novelty_sha256: SHA-256 of `novelty.safetensors`; empty: the model cannot tell what it was not trained for.
        created_by: Package and version that wrote the model.
        weights_sha256: SHA-256 of `weights.safetensors`; names the model in every label.
        onnx_sha256: SHA-256 of `model.onnx`.
        format_version: Version of the layout of `model.json`.
    """

    config: WindowConfig
    classes: tuple[str, ...]
    architecture: Mapping[str, Any]
    normalisation: Mapping[str, Any]
    calibration: Mapping[str, Any]
    training_data: Mapping[str, Any]
    training: Mapping[str, Any]
    seed: int
    created_by: str
    weights_sha256: str
    onnx_sha256: str
    scores: Mapping[str, Any] = field(default_factory=dict)
    belief: Mapping[str, Any] = field(default_factory=dict)
    conformal: Mapping[str, Any] = field(default_factory=dict)
    novelty_sha256: str = ''
    format_version: int = CONTRACT_FORMAT

    def __post_init__(self) -> None:
        """Refuse what no model can have.

        Raises:
            ValueError: Fewer than two classes, a class named twice, or a temperature that is not a positive number.
        """
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError(f'a model needs two or more different classes, not {list(self.classes)}')
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f'the calibration temperature must be a positive number, not {self.temperature}')
        settings = self.belief_settings
        if settings is not None and len(settings.class_prior) != len(self.classes):
            raise ValueError(
                f'belief has {len(settings.class_prior)} prior probabilities for {len(self.classes)} classes'
            )

    @property
    def belief_settings(self) -> BeliefSettings | None:
        """How evidence adds up over windows; None: each window stands for itself."""
        return BeliefSettings.from_dict(self.belief) if self.belief else None

    def possible_threshold(self, level: float) -> float:
        """Probability from which a surface is possible at a stated coverage [1].

        Args:
            level: Coverage, one of those the contract has thresholds for [1].

        Raises:
            SurfaceError: The contract has none for it.
        """
        levels = dict(zip(self.conformal.get('levels', ()), self.conformal.get('thresholds', ()), strict=True))
        if level not in levels:
            if not levels:
                raise SurfaceError(
                    f'the model has no set of possible surfaces at level {level:g}, nor at another one: it was trained '
                    'without held-out recordings'
                )
            known = ', '.join(f'{known:g}' for known in levels)
            nearest = min(levels, key=lambda known: abs(known - level))
            raise SurfaceError(
                f'the model has no set of possible surfaces at level {level:g}; the nearest is {nearest:g}, of {known}'
            )
        return float(levels[level])

    @property
    def temperature(self) -> float:
        """Number by which the logits are divided before the softmax [1]."""
        return float(self.calibration['temperature'])

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, with the digests of the window configuration and of the contract itself."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name != 'config'}
        values['classes'] = list(self.classes)
        values['window'] = self.config.to_dict()
        values['window_digest'] = self.config.digest
        values['contract_sha256'] = _digest_of(values)
        return values


def save_contract(contract: ModelContract, folder: Path) -> None:
    """Write `model.json` into the model's folder."""
    text = json.dumps(contract.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / CONTRACT_FILE).write_text(text + '\n', encoding='utf-8')


def load_contract(path: Path | str) -> ModelContract:
    """Read and verify the contract of a model.

    Args:
        path: Folder of the model.

    Raises:
        SurfaceError: The folder holds no model, or the contract is damaged, incomplete or of another format.
    """
    file = Path(path) / CONTRACT_FILE
    complete_replacement(path)
    if not file.is_file():
        raise SurfaceError(f'{path} is not a model: it holds no {CONTRACT_FILE}; make one with `surface train`')
    try:
        values = read_json(file, 'copy the model again or train it again')
        stated = values.pop('contract_sha256')
        actual = _digest_of(values)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise SurfaceError(f'{file} is damaged ({error}); copy the model again or train it again') from error
    if stated != actual:
        raise SurfaceError(
            f'{file} was changed after it was written: it states SHA-256 {stated}, its content has {actual}; '
            'copy the model again or train it again'
        )
    if values.get('format_version') != CONTRACT_FORMAT:
        raise SurfaceError(
            f'{file} has format {values.get("format_version")}, this version reads format {CONTRACT_FORMAT}; '
            'train the model with this version'
        )
    try:
        del values['window_digest']
        config = WindowConfig.from_dict(values.pop('window'))
        return ModelContract(config=config, classes=tuple(values.pop('classes')), **values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SurfaceError(f'{file} is damaged ({error!r}); copy the model again or train it again') from error


def read_verified(path: Path, sha256: str) -> bytes:
    """Return the bytes of a model's file after comparing them with the digest in its contract.

    Raises:
        SurfaceError: The file is missing or differs from the one the contract was written for.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SurfaceError(f'{path} cannot be read ({error.strerror}); copy the whole model folder again') from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise SurfaceError(
            f'{path} does not belong to its contract: {CONTRACT_FILE} states SHA-256 {sha256}, the file has {actual}; '
            'copy the model again or train it again'
        )
    return content


def check_compatible(contract: ModelContract, config: WindowConfig, source: str) -> None:
    """Refuse windows that the model was not trained for.

    Args:
        contract: The model's contract.
        config: Configuration the windows are cut by.
        source: Whose windows they are, for the message, such as `data set walks/office`.

    Raises:
        SurfaceError: Channels, units, rates or samples differ; the message names both sides.
    """
    check_window_digest(contract, config.digest, describe_windows(config), source)


def check_window_digest(contract: ModelContract, digest: str, described: str, source: str) -> None:
    """Do what `check_compatible` does where only the digest and the shape of the windows are known, as in a message.

    Raises:
        SurfaceError: The digest differs from that of the windows the model was trained for.
    """
    if digest != contract.config.digest:
        raise SurfaceError(
            f'{source} gives {described}, but the model takes {describe_windows(contract.config)}; '
            'use a model trained for these channels and rates, or configure the channels and the window as the model '
            'has them'
        )


def describe_windows(config: WindowConfig) -> str:
    """Say in one line what a window holds, such as `100 samples of motor (left [A], right [A]) at 100 Hz`."""
    parts = [
        f'{part.name} ({", ".join(f"{channel.name} [{channel.unit}]" for channel in part.channels)}) '
        f'at {part.sample_rate_hz:g} Hz{" as motion" if part.role == "motion" else ""}'
        for part in config.parts
    ]
    return f'{config.window_samples} samples of {" with ".join(parts)}'


def _digest_of(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(',', ':'), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
