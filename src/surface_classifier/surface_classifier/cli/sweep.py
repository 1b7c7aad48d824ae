# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""`surface sweep`: search a recipe's batch size and what goes with it, on folds of recordings, alone or with others."""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from current_driver.errors import SurfaceError
from current_driver.files.result_files import write_result
from surface_classifier.cli.folds import add_recipe_arguments, chosen_recipe
from surface_classifier.cli.parsing import (
    add_command,
    add_executor_argument,
    add_json_argument,
    non_negative_float,
    non_negative_int,
    positive_float,
    positive_int,
    write_json,
)

if TYPE_CHECKING:
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.sweep.search import SweepProgress

_DESCRIPTION = """\
Search a recipe's batch size and what goes with it, with Optuna: learning rate, optimizer, weight decay, dropout, width.

A trial's score is its mean balanced accuracy over folds of whole recordings. A trial that is behind the median of the
others after two folds or more ends there. Some recordings are kept out of the search; at its end the best recipe is
tested on them beside the one of --config, which shows by how much the best of many scores is too good. OUTPUT gets
best.yaml, for `surface train --config`. What mattered is told by PED-ANOVA: of thirty noisy trials, roughly.

Run the command again and it goes on where it stopped; a trial whose worker was lost is run again. Give the same
command with the same --storage on several machines and they share the trials:

  --storage postgresql://USER:PASSWORD@HOST/DATABASE   (pip install 'psycopg[binary]')

With --executor ray the command starts the workers on the Ray cluster that RAY_ADDRESS names.

--budget decides whether small batches can win. `epochs`: every trial makes as many passes over the data as the recipe,
so a small batch takes more steps, and more time. `steps`: every trial takes as many steps as the recipe, so a large
batch sees more data.

--space takes a YAML file that changes what is searched, key by key; the default is

  batch_size: {low: 2, high: full, powers_of_two: true}     # full: all training windows of a fold
  learning_rate: {low: 3.0e-4, high: 3.0, log: true, at_batch: 32}
  optimizer: [adamw, adam, rmsprop, sgd]                    # choices
  weight_decay: {low: 1.0e-5, high: 0.3, log: true}
  network.dropout: {low: 0.0, high: 0.5}
  hidden_size: {low: 16, high: 128, powers_of_two: true}    # width of every LSTM layer of the recipe

A key set to null stays as it is in the recipe; any other key of the recipe can be added, such as
`network.hidden_sizes: [[32], [64, 64]]`. With at_batch: 32 the rate is searched as that at a batch of 32; a batch of B
trains with B / 32 times it under SGD, and with the root of that under the others. Rate and batch go together, and
searched apart, each would hide the other.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's parser."""
    parser = add_command(
        subparsers,
        'sweep',
        help='search batch size, learning rate and more for a data set',
        description=_DESCRIPTION,
        examples="""\
surface sweep data/floors -o sweeps/floors --trials 30 --workers 2 --report sweep.html
surface sweep data/floors -o sweeps/floors --trials 60
surface sweep data/floors -o sweeps/floors --storage postgresql://me@server/sweeps --trials 200
surface train data/floors -o models/floors --config sweeps/floors/best.yaml""",
    )
    parser.add_argument('dataset', metavar='DATASET', help='folder of the data set')
    parser.add_argument('-o', '--output', metavar='OUTPUT', required=True, help='folder for best.yaml and the trials')
    add_recipe_arguments(parser)
    parser.add_argument('--space', metavar='FILE', help='YAML file that changes what is searched')
    parser.add_argument(
        '--trials', metavar='N', type=positive_int, default=30, help='trials the study is to have (%(default)d)'
    )
    parser.add_argument(
        '--budget', choices=('epochs', 'steps'), default='epochs', help='what trials have the same of (%(default)s)'
    )
    parser.add_argument(
        '--folds', metavar='K', type=positive_int, help='folds of a trial (5, or fewer so that each tests every class)'
    )
    parser.add_argument(
        '--holdout',
        metavar='SHARE',
        type=non_negative_float,
        default=0.2,
        help='share of the windows kept out of the search; 0: none (%(default)g)',
    )
    parser.add_argument(
        '--seed', metavar='N', type=non_negative_int, default=0, help='seed of folds, training and search (%(default)d)'
    )
    parser.add_argument('--storage', metavar='URL', help='database of the trials (OUTPUT/study.db, SQLite)')
    parser.add_argument('--study', metavar='NAME', help="the study's name in the database (the name of OUTPUT)")
    parser.add_argument(
        '--workers',
        metavar='N',
        type=positive_int,
        help='processes that run trials (1 on this machine, one for each core of a cluster)',
    )
    add_executor_argument(parser)
    parser.add_argument('--timeout-s', metavar='S', type=positive_float, help='begin no trial after S seconds')
    parser.add_argument('--report', metavar='FILE.html', help='write a self-contained page with the importance plot')
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Search, write the best recipe and print what was found."""
    from surface_classifier.data.dataset import Dataset
    from surface_classifier.sweep.sweep_space import load_space

    config = chosen_recipe(args)
    space = load_space(args.space, config)
    dataset = Dataset.load(args.dataset)
    output = Path(args.output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise SurfaceError(f'{output}: is a file; give a folder for the best recipe and the trials') from error

    from surface_classifier.cli.progress import show_progress
    from surface_classifier.data.ray_executor import RayExecutor, task_memory
    from surface_classifier.sweep.search import SweepSettings, run_sweep, write_recipe
    from surface_classifier.sweep.sweep_storage import shown_address

    settings = SweepSettings(config, space, args.folds, args.holdout, args.budget, args.seed)
    study = args.study or output.resolve().name
    storage = args.storage or f'sqlite:///{output.resolve() / "study.db"}'
    executor: RayExecutor | None = None
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(show_progress('sweep', args.trials, 'trials'))

        def show(progress: SweepProgress) -> None:
            bar.move_to(progress.finished)
            if progress.scoring:
                bar.describe('scoring the best')
            elif progress.waiting:
                bar.describe(f'waiting for {", ".join(progress.waiting)}')
            else:
                bar.describe('sweep')
            if progress.best is not None:
                bar.note(f'best balanced accuracy {progress.best:.3f}')

        if args.executor == 'ray':
            executor = stack.enter_context(RayExecutor(args.workers, task_memory(dataset)))
        result = run_sweep(
            dataset,
            settings,
            study,
            storage,
            args.trials,
            workers=args.workers or (executor.jobs if executor else 1),
            executor=executor,
            timeout_s=args.timeout_s,
            on_progress=show,
            on_message=bar.print,
        )
    # The command is shown to others, the password in it is not.
    command = shlex.join(['surface', *args.arguments])
    if args.storage is not None:
        command = command.replace(args.storage, shown_address(args.storage))
    summary = {
        **result.to_dict(),
        'dataset': {
            'path': args.dataset,
            'digest': dataset.digest,
            'windows': len(dataset),
            'classes': list(dataset.classes),
        },
        'command': command,
    }
    conclusion = _conclusion(summary)
    summary['notes'] += conclusion
    recipe = output / 'best.yaml'
    write_recipe(
        recipe,
        result.config,
        f'trial {result.best["number"]} of study {study}: balanced accuracy {result.best["value"]:.3f} in the search',
    )
    if args.json:
        write_json(summary, args.json)
    if args.report:
        _write_report(args, summary, dataset)
    for note in result.notes:
        print(f'surface: note: {note}', file=sys.stderr)
    if args.json != '-':
        _print(summary, conclusion, recipe, args.dataset)
    return 0


def _write_report(args: argparse.Namespace, summary: dict[str, Any], dataset: Dataset) -> None:
    from surface_classifier.report.page import render_page
    from surface_classifier.report.page_inputs import Run, run_page

    page = run_page(
        Run(sweep=summary, sources={'sweep': args.json or 'sweep'}), dataset=dataset, command=summary['command']
    )
    path = Path(args.report)
    html = render_page(page)
    write_result(path, html, 'page')
    print(f'report {path}', file=sys.stderr)


def _conclusion(summary: dict[str, Any]) -> list[str]:
    """What the unseen recordings say of the search, a sentence each."""
    found = summary['holdout']
    if found is None:
        return ['no recordings were kept out, so the score of the best trial is too good by an unknown amount']
    best, recipe, trees = (_mean(found[name]['held_out']) for name in ('best', 'recipe', 'trees'))
    search = found['best']['search']
    unseen = (
        f'on {found["windows"]} windows that the search did not see, the best recipe reaches a balanced accuracy of '
        f'{best:.3f} (mean of {len(found["seeds"])} seeds), the one it began with {recipe:.3f}, trees '
        f'on levels {trees:.3f}'
    )
    optimism = (
        f'the search put the best recipe at {search:.3f}, {abs(search - best):.3f} '
        f'{"above" if search >= best else "below"} its score there'
    )
    sentences = [unseen, optimism]
    if recipe >= best:
        sentences.append('the recipe that the sweep began with is not worse there: the search found nothing to rely on')
    return sentences


def _print(summary: dict[str, Any], conclusion: list[str], recipe: Path, dataset: str) -> None:
    states = [trial['state'] for trial in summary['trials']]
    counts = ', '.join(f'{states.count(state)} {state.lower()}' for state in dict.fromkeys(states))
    print(f'study {summary["study"]} in {summary["storage"]}: {counts}; {summary["seconds"]:.0f} s')
    print(f'score: {summary["protocol"]}')
    print(f'budget: {summary["budget"]}')
    best = summary['best']
    print(f'\nbest: trial {best["number"]}, {best["value"]:.3f}')
    for key, value in best['params'].items():
        share = summary['importances'].get(key)
        text = f'{value:.3g}' if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
        print(f'  {key:<24} {text:<12} {"" if share is None else f"{100 * share:3.0f} % of the importance"}'.rstrip())
    found = summary['holdout']
    if found is not None:
        print(f'\n{"":<24} in the search  on {found["windows"]} unseen windows, seed by seed')
        for name, title in (
            ('best', 'best recipe'),
            ('recipe', 'recipe it began with'),
            ('trees', 'extra trees on quantile bins'),
        ):
            runs = ' '.join(f'{score:.3f}' for score in found[name]['held_out'])
            print(f'{title:<24} {found[name]["search"]:>13.3f}  {_mean(found[name]["held_out"]):.3f}: {runs}')
    print()
    print('\n'.join(conclusion))
    print(f'recipe {recipe}\nnext: surface train {dataset} -o MODEL --config {recipe}')


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
