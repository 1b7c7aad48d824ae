# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Finds out what the files given to `surface report` are, and puts them on one page.

The kind of each follows from what it holds: results of `surface diagnose`, `evaluate`, `test`, `train` and `sweep`,
written with `--json`, and the folder of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from current_driver.errors import SurfaceError
from current_driver.files.documents import DocumentError, parse_json, read_json
from surface_classifier.data.dataset import METADATA_FILE
from surface_classifier.model.contract import (
    CONTRACT_FILE,
    CURVE_FILE,
    SIZE_LIMITS,
    ModelContract,
    load_contract,
    read_verified,
)
from surface_classifier.model.loading.model_files import read_member
from surface_classifier.report.diagnosis_sections import training_curve
from surface_classifier.report.page import (
    ReportPage,
    contract_rows,
    count_text,
    data_rows,
    diagnosis_page,
    evaluation_page,
    value_rows,
)
from surface_classifier.report.sweep_sections import sweep_part

if TYPE_CHECKING:
    from surface_classifier.data.dataset import Dataset

# Keys that only the result of this verb has.
_KINDS: Mapping[str, frozenset[str]] = {
    'diagnose': frozenset({'verdicts', 'cannot_tell', 'arms', 'run'}),
    'evaluate': frozenset({'classes', 'protocol', 'lstm', 'windows', 'recordings'}),
    'train': frozenset({'model', 'model_digest', 'epochs', 'training'}),
    'sweep': frozenset({'study', 'trials', 'importances', 'best'}),
}
_T = TypeVar('_T')


@dataclass(frozen=True)
class Run:
    """Everything that is known of one run; None where nothing was given.

    Attributes:
        diagnose: Result of `surface diagnose`.
        evaluate: Result of `surface evaluate`, `surface test` or `surface reproduce borealtc-protocol`.
        train: Result of `surface train`.
        sweep: Result of `surface sweep`.
        model: Contract of the model.
        curve: What the model's folder holds of its training.
        sources: Path of each of them, by the name of its attribute.
    """

    diagnose: Mapping[str, Any] | None = None
    evaluate: Mapping[str, Any] | None = None
    train: Mapping[str, Any] | None = None
    sweep: Mapping[str, Any] | None = None
    model: ModelContract | None = None
    curve: Mapping[str, Any] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def source(self, kind: str) -> str:
        """Path of what was given of a kind."""
        return self.sources.get(kind, f'the result of `surface {kind}`')


def read_run(paths: Sequence[str]) -> Run:
    """Reads what was given, in any order, one of each kind.

    Args:
        paths: Files written with `--json`, and folders of models.

    Raises:
        SurfaceError: One is not there, is none of these, or there are two of one kind.
    """
    found: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for path in paths:
        kind, value = _read(path)
        if kind in found:
            what = 'model folders' if kind == 'model' else f'results of `surface {kind}`'
            raise SurfaceError(
                f'{sources[kind]} and {path} are both {what}; a page shows one run: write a page for each'
            )
        found[kind], sources[kind] = value, path
        if kind == 'model' and (Path(path) / CURVE_FILE).is_file():
            sources['curve'] = str(Path(path) / CURVE_FILE)
            found['curve'] = _read_curve(Path(path) / CURVE_FILE, value.curve_sha256)
    return Run(**found, sources=sources)


def run_page(run: Run, *, dataset: Dataset | None = None, command: str, title: str | None = None) -> ReportPage:
    """Puts everything that is known of a run on one page.

    Args:
        run: What `read_run` found.
        dataset: The data set of the run, for the data table and the plots of suspected windows.
        command: What to type to make this page again; the commands that made the inputs are put before it.
        title: Heading of the page; said by what there is when None.

    Raises:
        SurfaceError: An input is damaged, or the data set is another one.
    """
    if dataset is not None:
        _check_dataset(run, dataset)
    page = ReportPage(title=_title(run), lead='', verdict='', classes=(), scores=())
    if run.diagnose is not None:
        diagnosis = run.diagnose
        page = _parsed(run, 'diagnose', lambda: diagnosis_page(diagnosis, dataset=dataset))
    if run.evaluate is not None:
        evaluation = run.evaluate
        scores = _parsed(run, 'evaluate', lambda: evaluation_page(evaluation, command=''))
        page = scores if run.diagnose is None else _with_scores(page, scores)
    leads = [page.lead] if page.lead else []
    notes = list(page.notes)
    commands = [page.command] if page.command else []
    if run.diagnose is None and (run.train is not None or run.curve is not None):
        kind = 'train' if run.train is not None else 'curve'
        curve = run.train or run.curve or {}
        page = replace(page, training=_parsed(run, kind, lambda: training_curve(curve)))
    if run.sweep is not None:
        sweep = run.sweep
        page = replace(page, sweep=_parsed(run, 'sweep', lambda: sweep_part(sweep)))
        leads.append(f'The sweep {sweep["study"]} ran {count_text(len(sweep["trials"]))} trials.')
        commands += [sweep['command']] if 'command' in sweep else []
        if 'config' in sweep and not page.configuration:
            rows = tuple(value_rows(sweep['config']))
            page = replace(page, configuration=rows, configuration_title='The best recipe')
    if run.model is not None:
        leads.append(_model_lead(run.model, run.source('model')))
        page = replace(page, contract=tuple(contract_rows(run.model)))
        if page.training is None:
            notes.append(f'The model folder holds no {CURVE_FILE}, so the course of its training is not shown.')
    if run.train is not None and run.model is None:
        train = run.train
        leads.append(_parsed(run, 'train', lambda: _train_lead(train)))
        page = replace(page, configuration=page.configuration or tuple(value_rows(train['training'])))
    if dataset is not None:
        page = replace(page, data_summary=tuple(data_rows(dataset)), classes=page.classes or dataset.classes)
    return replace(
        page,
        title=title or page.title,
        lead=' '.join(leads),
        notes=(*notes, *_mismatches(run)),
        command='\n'.join(dict.fromkeys([*commands, command])),
    )


def _read(path: str) -> tuple[str, Any]:
    """Returns the kind and the content of what is at a path."""
    place = Path(path)
    if place.is_dir():
        if (place / CONTRACT_FILE).is_file():
            return 'model', load_contract(place)
        if (place / METADATA_FILE).is_file():
            raise SurfaceError(f'{path} is a data set, not a run; give it with --dataset {path}')
        raise SurfaceError(f'{path} is a folder without {CONTRACT_FILE}, so not a model; {_EXPECTED}')
    values = _read_json(path)
    for kind, expected in _KINDS.items():
        if expected <= values.keys():
            return kind, values
    keys = ', '.join(sorted(map(str, values))[:8]) or 'no keys'
    raise SurfaceError(f'{path} holds {keys}: that is no result a page can be made of; {_EXPECTED}')


_EXPECTED = (
    'give the folder of a model, or what `surface diagnose`, `evaluate`, `test`, `train` or `sweep` wrote with --json'
)


def _read_curve(file: Path, sha256: str) -> Mapping[str, Any]:
    content = read_verified(file, sha256) if sha256 else read_member(file, SIZE_LIMITS[CURVE_FILE])
    return _mapping(str(file), parse_json(content.decode(errors='replace'), str(file), 'train the model again'))


def _read_json(path: str) -> Mapping[str, Any]:
    try:
        return _mapping(path, read_json(path, _EXPECTED))
    except DocumentError as error:
        if not error.missing:
            raise
        raise SurfaceError(f'{path} is not there; {_EXPECTED}') from error


def _mapping(path: str, values: Any) -> Mapping[str, Any]:
    if not isinstance(values, dict):
        raise SurfaceError(f'{path} holds no keys but {type(values).__name__}; {_EXPECTED}')
    return values


def _parsed(run: Run, kind: str, parse: Callable[[], _T]) -> _T:
    """Result of `parse`; what it finds wrong is said of the file.

    Raises:
        SurfaceError: Something is missing in the file, or of another type.
    """
    try:
        return parse()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        verb = 'train' if kind == 'curve' else kind
        raise SurfaceError(
            f'{run.source(kind)} is damaged or of another version ({type(error).__name__}: {error}); '
            f'run `surface {verb}` again'
        ) from error


def _with_scores(page: ReportPage, scores: ReportPage) -> ReportPage:
    """The page of a diagnosis with what the page of an evaluation shows."""
    names = ('verdict', 'classes', 'scores', 'epochs', 'groups', 'recordings', 'figures', 'notes')
    return replace(page, scores_note=scores.lead, **{name: getattr(scores, name) for name in names})


def _model_lead(contract: ModelContract, path: str) -> str:
    data, training = contract.training_data, contract.training
    text = f'The model {path} distinguishes {len(contract.classes)} surfaces'
    if 'windows' in data and 'epochs_run' in training:
        text += (
            f'; it was trained on {count_text(data["windows"])} windows for {training["epochs_run"]} epochs, of which '
            f'the best was epoch {training["best_epoch"]}'
        )
    if contract.scores:
        text += (
            f'. On {count_text(data["held_out_windows"])} windows held out {data["split"]} it reached a balanced '
            f'accuracy of {contract.scores["balanced_accuracy"]:.2f}'
        )
    return f'{text}.'


def _train_lead(result: Mapping[str, Any]) -> str:
    data, training = result['training_data'], result['training']
    return (
        f'The model {result["model"]} was trained on {count_text(data["windows"])} windows for '
        f'{training["epochs_run"]} epochs, of which the best was epoch {training["best_epoch"]}.'
    )


def _title(run: Run) -> str:
    if run.sweep is not None and run.model is None and run.train is None:
        return f'Sweep {run.sweep["study"]}'
    return 'A trained model'


def _digests(run: Run) -> dict[str, str]:
    """Digest of the data set behind each input that states one, by what the input is called in a sentence."""
    stated = {
        'diagnosis': ((run.diagnose or {}).get('dataset'), 'digest'),
        'scores': ((run.evaluate or {}).get('provenance'), 'dataset_digest'),
        'sweep': ((run.sweep or {}).get('dataset'), 'digest'),
        'model': (run.model.training_data if run.model is not None else None, 'digest'),
        'training': ((run.train or {}).get('training_data'), 'digest'),
    }
    return {
        name: str(values[key])
        for name, (values, key) in stated.items()
        if isinstance(values, Mapping) and values.get(key)
    }


def _check_dataset(run: Run, dataset: Dataset) -> None:
    """Refuses a data set that the run is not about.

    Raises:
        SurfaceError: The digests differ.
    """
    digests = _digests(run)
    if not digests:
        return
    expected = [digests['diagnosis']] if 'diagnosis' in digests else list(digests.values())
    if dataset.digest not in expected:
        raise SurfaceError(
            f'--dataset {dataset.path} has the digest {dataset.digest[:12]}…, but the '
            f'{" and the ".join(digests)} came from the data set {" or ".join(f"{d[:12]}…" for d in expected)}; '
            'give the data set of the run, or leave --dataset out'
        )


def _mismatches(run: Run) -> Iterable[str]:
    """Yields what a reader must know where the inputs are not about the same data or the same model."""
    digests = _digests(run)
    names = list(digests)
    for name in names[1:]:
        if digests[name] != digests[names[0]]:
            yield (
                f'The {name} and the {names[0]} are of different data sets: digests {digests[name][:12]}… and '
                f'{digests[names[0]][:12]}….'
            )
    scored = ((run.evaluate or {}).get('provenance') or {}).get('model_digest')
    if scored and run.model is not None and scored != run.model.weights_sha256:
        yield f'The scores are of another model ({scored[:12]}…) than the one shown ({run.model.weights_sha256[:12]}…).'
