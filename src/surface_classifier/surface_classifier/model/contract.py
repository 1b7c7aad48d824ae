# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The contract of a model: what it was trained for, and the digests of the files that hold it.

A model is a folder with `model.json` (this contract), `weights.safetensors`, `model.onnx` and, where the model can tell
what it was not trained for, `novelty.safetensors`; `training_curve.json` is for reports. The contract states the
channels, rates and window the model takes, its classes, its normalisation, how its answers are calibrated and add up
over time, where its training data came from and the SHA-256 of the other files and of itself, so that a changed bit
anywhere is refused and a mismatch is reported with both sides named. Nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from current_driver.errors import SurfaceError
from current_driver.files.documents import parse_json
from current_driver.files.names import check_name
from current_driver.files.output_folders import complete_replacement
from surface_classifier.model.belief import BeliefSettings
from surface_classifier.model.loading.model_files import MissingMemberError, read_member
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.signal.window_config import WindowConfig

CONTRACT_FORMAT = 2
CONTRACT_FILE = 'model.json'
WEIGHTS_FILE = 'weights.safetensors'
ONNX_FILE = 'model.onnx'
NOVELTY_FILE = 'novelty.safetensors'
CURVE_FILE = 'training_curve.json'  # how the training went, for reports alone

# Hundreds of times the size of a large model; more would fill a robot's memory.
SIZE_LIMITS = {
    CONTRACT_FILE: 16 << 20,
    WEIGHTS_FILE: 512 << 20,
    ONNX_FILE: 512 << 20,
    NOVELTY_FILE: 128 << 20,
    CURVE_FILE: 64 << 20,
}
# Numbers in one window; a window of 1 s with 6 channels at 1 kHz has 6,000.
MAX_WINDOW_VALUES = 4_000_000
MAX_MEMBERS = 64


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
        curve_sha256: SHA-256 of `training_curve.json`; empty: it was not kept.
        created_by: Package and version that wrote the model.
        weights_sha256: SHA-256 of `weights.safetensors`; names the model in every label.
        onnx_sha256: SHA-256 of `model.onnx`; empty: it was trained without the packages for it, and has none.
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
    curve_sha256: str = ''
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
    try:
        complete_replacement(path)
        content = read_member(file, SIZE_LIMITS[CONTRACT_FILE])
    except MissingMemberError as error:
        raise SurfaceError(
            f'{path} is not a model: it holds no {CONTRACT_FILE}; make one with `surface train`'
        ) from error
    except (OSError, ValueError) as error:
        raise SurfaceError(f'{str(path)!r} is not a model ({error}); check the path') from error
    try:
        values = parse_json(content.decode('utf-8-sig'), str(file), 'copy the model again or train it again')
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
        contract = ModelContract(config=config, classes=tuple(values.pop('classes')), **values)
        _check_types(contract)
        _check_numbers(contract)
        _check_network(contract)
        return contract
    except SurfaceError as error:
        raise SurfaceError(
            f'{file} is not a sound contract: {error}; copy the model again or train it again'
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise SurfaceError(f'{file} is damaged ({error!r}); copy the model again or train it again') from error


def members_of(contract: ModelContract) -> dict[str, str]:
    """Return the name and the SHA-256 of each file beside the contract that the model must hold."""
    members = {
        WEIGHTS_FILE: contract.weights_sha256,
        ONNX_FILE: contract.onnx_sha256,
        NOVELTY_FILE: contract.novelty_sha256,
        CURVE_FILE: contract.curve_sha256,
    }
    return {name: digest for name, digest in members.items() if digest}


def read_verified(path: Path, sha256: str) -> bytes:
    """Return the bytes of a model's file after comparing them with the digest in its contract.

    Raises:
        SurfaceError: The file is missing, cannot be a model's (see `read_member`), or differs from the one the contract
            was written for.
    """
    content = read_member(path, SIZE_LIMITS.get(path.name, SIZE_LIMITS[WEIGHTS_FILE]))
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


def _check_types(contract: ModelContract) -> None:
    """Refuse fields of another type, and names that no label can carry."""
    for name in contract.classes:
        if not isinstance(name, str) or not name:
            raise ValueError(f'class {name!r} is not a text')
        check_name(name, 'class')
    for key in (
        'architecture', 'normalisation', 'calibration', 'training_data', 'training', 'scores', 'belief', 'conformal',
    ):  # fmt: skip
        if not isinstance(getattr(contract, key), dict):
            raise ValueError(f'{key} is not a mapping')
    if type(contract.seed) is not int or not isinstance(contract.created_by, str):
        raise ValueError('seed is not a whole number, or created_by is not a text')
    for key in ('weights_sha256', 'onnx_sha256', 'novelty_sha256', 'curve_sha256'):
        digest = getattr(contract, key)
        optional = key != 'weights_sha256'
        if not isinstance(digest, str) or not re.fullmatch('[0-9a-f]{64}' if digest or not optional else '', digest):
            raise ValueError(f'{key} is {digest!r}, which is not a SHA-256')


def _check_numbers(contract: ModelContract) -> None:
    """Refuse normalisation and thresholds that do not fit the windows, or are no numbers."""
    parts = {part.name: part for part in contract.config.input_parts}
    for name, values in contract.normalisation.items():
        for key in ('mean', 'scale'):
            numbers = [float(number) for number in values[key]]
            if len(numbers) != len(parts[name].channels) or not all(map(math.isfinite, numbers)):
                raise ValueError(f'normalisation.{name}.{key} is not a number for each channel')
    if contract.conformal:
        levels, thresholds = contract.conformal['levels'], contract.conformal['thresholds']
        if len(levels) != len(thresholds) or not all(0.0 <= number <= 1.0 for number in [*levels, *thresholds]):
            raise ValueError('conformal does not have a threshold from 0 to 1 for each level')


def _check_network(contract: ModelContract) -> None:
    """Refuse windows and networks that no memory holds, or that do not fit each other."""
    config = contract.config
    values = sum(config.samples_of_part(index) * len(part.channels) for index, part in enumerate(config.parts))
    if values > MAX_WINDOW_VALUES:
        raise ValueError(f'a window has {values} values; at most {MAX_WINDOW_VALUES} are possible')
    network = NetworkConfig(**contract.architecture)
    if len(network.members) > MAX_MEMBERS:
        raise ValueError(f'architecture has {len(network.members)} members; at most {MAX_MEMBERS} are possible')
    for member in (network, *network.members):
        for index in range(len(config.input_parts)):
            if member.frame_samples_of(index) > config.samples_of_part(index):
                raise ValueError(
                    f'frame_samples {member.frame_samples_of(index)} are more than the {config.samples_of_part(index)} '
                    'samples of the part'
                )
