# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Writing and reading a model: weights in safetensors, the same network as ONNX, and the contract that binds both.

A model appears under its name only when it is complete: it is written beside it, the ONNX file is compared with the
network, and the folder is renamed at the end. No pickle is written or read.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from current_driver.files.output_folders import claim_folder
from surface_classifier.model.contract import (
    CONTRACT_FILE,
    CURVE_FILE,
    NOVELTY_FILE,
    ONNX_FILE,
    WEIGHTS_FILE,
    ModelContract,
    save_contract,
)
from surface_classifier.model.engine import InferenceEngine, NumpyEngine, OnnxEngine, softmax
from surface_classifier.model.network.ensemble import Network
from surface_classifier.model.novelty import NoveltyTest
from surface_classifier.signal.window_config import WindowConfig

ONNX_TOLERANCE = 1e-5
# Without one of them a model has no file for ONNX Runtime: the first two write it, the third checks it.
ONNX_PACKAGES = ('onnx', 'onnxscript', 'onnxruntime')
CHECKED_BATCHES = (1, 7)
# The exporter walks through every step of the sequence, but the LSTM becomes one operator whatever the length, so a
# short sequence gives the same graph in a fraction of the time.
EXPORT_SAMPLES = 3
EXPORT_WINDOWS = 2
OPSET = 18

_LOG = logging.getLogger(__name__)


def check_model_target(path: Path | str, overwrite: bool = False) -> None:
    """Refuse a place where a model cannot or must not be written, before time is spent on training it.

    Raises:
        SurfaceError: Something is there already: a model and `overwrite` is not set, or anything else.
    """
    folder = Path(path)
    if not folder.exists():
        return
    if not (folder / CONTRACT_FILE).is_file():
        raise SurfaceError(f'{folder} exists and is not a model; choose another name')
    if not overwrite:
        raise SurfaceError(f'{folder} holds a model already; choose another name, or replace it with --overwrite')


def save_model(
    path: Path | str,
    network: Network,
    contract: ModelContract,
    overwrite: bool = False,
    *,
    novelty_test: NoveltyTest | None = None,
    curve: str = '',
) -> ModelContract:
    """Write a model: weights, ONNX and contract, after checking that the engines give what the network gives.

    Where a package for the ONNX file is missing, the model has none, and a warning says so.

    Args:
        path: Folder to make.
        network: The trained network.
        contract: Its contract; the digests of the files are filled in here.
        overwrite: Replace a model that is there already.
        novelty_test: Tells windows unlike the training data; None: the model will not.
        curve: How the training went, as JSON, kept beside the model; empty: not kept.

    Returns:
        The contract as it was written.

    Raises:
        SurfaceError: Something is there already, or nothing can be written there.
        RuntimeError: An engine's probabilities differ from those of the network by more than 1e-5.
    """
    folder = Path(path)
    with claim_folder(folder) as claim:
        check_model_target(folder, overwrite)
        try:
            partial = claim.begin()
        except OSError as error:
            raise SurfaceError(f'{folder}: the model cannot be written there ({error.strerror})') from error
        network = network.cpu().eval()
        weights = safetensors.torch.save({name: value.contiguous() for name, value in network.state_dict().items()})
        (partial / WEIGHTS_FILE).write_bytes(weights)
        contract = replace(
            contract,
            weights_sha256=hashlib.sha256(weights).hexdigest(),
            onnx_sha256='',
            novelty_sha256='',
            curve_sha256='',
        )
        missing = _missing_packages()
        if missing:
            _LOG.warning(
                '%s gets no %s, as %s cannot be imported; the engines numpy and torch run it',
                *(folder, ONNX_FILE, ', '.join(missing)),
            )
        else:
            onnx_model = _export_onnx(network, contract.config)
            (partial / ONNX_FILE).write_bytes(onnx_model)
            contract = replace(contract, onnx_sha256=hashlib.sha256(onnx_model).hexdigest())
        if novelty_test is not None:
            content = novelty_test.to_bytes()
            (partial / NOVELTY_FILE).write_bytes(content)
            contract = replace(contract, novelty_sha256=hashlib.sha256(content).hexdigest())
        if curve:
            course = curve.encode()
            (partial / CURVE_FILE).write_bytes(course)
            contract = replace(contract, curve_sha256=hashlib.sha256(course).hexdigest())
        save_contract(contract, partial)
        _check_engine(NumpyEngine(partial, contract), network)
        if contract.onnx_sha256:
            _check_engine(OnnxEngine(partial, contract), network)
        claim.put_in_place()
    return contract


def normalisation_of(network: Network, config: WindowConfig) -> dict[str, dict[str, list[float]]]:
    """Return what the network subtracts and divides by, for each part and channel [channel units]."""
    return {
        part.name: {'mean': network.mean_of(index).tolist(), 'scale': network.scale_of(index).tolist()}
        for index, part in enumerate(config.input_parts)
    }


def _export_onnx(network: Network, config: WindowConfig) -> bytes:
    """Return the network as an ONNX model that takes any number of windows."""
    samples = [max(EXPORT_SAMPLES, network.fewest_samples(part)) for part in range(len(config.input_parts))]
    example = tuple(
        torch.zeros(EXPORT_WINDOWS, count, len(part.channels))
        for count, part in zip(samples, config.input_parts, strict=True)
    )
    windows = torch.export.Dim('windows')
    with _quiet_exporter():
        program = torch.onnx.export(
            network,
            example,
            input_names=[f'part_{part.name}' for part in config.input_parts],
            output_names=['logits'],
            dynamic_shapes=(tuple({0: windows} for _ in example),),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # The shapes inside the graph are those of the short example; ONNX Runtime infers them again from the inputs. The
    # metadata hold the paths of source files on this machine, and names that differ from export to export.
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
    for index, graph_input in enumerate(model.graph.input):
        graph_input.type.tensor_type.shape.dim[1].dim_value = config.samples_of_part(index)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence the exporter's progress lines, its remarks on packages we do not use, and its warnings about itself."""
    logger = logging.getLogger('torch.onnx')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)


def _missing_packages() -> list[str]:
    """Return the packages for the ONNX file that cannot be imported."""
    return [name for name in ONNX_PACKAGES if not _can_import(name)]


def _can_import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _check_engine(engine: InferenceEngine, network: Network) -> None:
    """Compare an engine with torch on random windows in the range of the training data, unmeasured values included.

    Raises:
        RuntimeError: Probabilities differ by more than 1e-5.
    """
    config = engine.contract.config
    rng = np.random.default_rng(0)
    for windows in CHECKED_BATCHES:
        parts: list[NDArray[np.float32]] = []
        for index, part in enumerate(config.input_parts):
            values = rng.normal(size=(windows, config.samples_of_part(index), len(part.channels)))
            values = 2.0 * values * network.scale_of(index).numpy() + network.mean_of(index).numpy()
            values[0, 0, 0] = np.nan
            parts.append(values.astype(np.float32))
        with torch.inference_mode():
            logits = network(*(torch.from_numpy(part) for part in parts)).double().numpy()
        difference = np.abs(softmax(logits / engine.contract.temperature) - engine.predict(parts)).max()
        if not difference <= ONNX_TOLERANCE:
            raise RuntimeError(
                f'the model as engine {engine.name} runs it differs from the network by {difference:.1e} in probability'
            )
