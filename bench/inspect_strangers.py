# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Measures `surface inspect` on bags of twelve topics under random names: at which guess it names the motors' current.

For each seed a bag is generated (`test/stranger_bags.py`), inspected, and a data set is built with the file that was
printed for the right guess, unchanged.

Example:
    tools/run_in_environment python bench/inspect_strangers.py --seeds 30 --json strangers.json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'src' / 'surface_classifier' / 'test' / 'support'))
from stranger_bags import write_stranger_bag

from current_driver.recordings.reading.open_recording import open_recording
from current_driver.recordings.recording import Recording
from surface_classifier import __version__
from surface_classifier.data.dataset_builder import build_dataset
from surface_classifier.data.inspection.channels_file import channels_file
from surface_classifier.data.inspection.current_guesses import guess_currents
from surface_classifier.data.inspection.topic_log import log_recording
from surface_classifier.nodes.window_parameters import windows_from_file

FIRST_GUESSES, LEAST_SHARE = 3, 0.9


@dataclass(frozen=True)
class Outcome:
    """What came of one bag.

    Attributes:
        seed: Seed of the bag.
        kind: How its motors are published.
        place: Place of the right guess, from 1; 0: it is not among them.
        guesses: Number of guesses.
        first: Topic and field of the first guess.
        channels: Channels in the file of the right guess.
        windows: Windows of the data set that was built with it.
    """

    seed: int
    kind: str
    place: int
    guesses: int
    first: str
    channels: int
    windows: int


def inspect_stranger(folder: Path, seed: int) -> Outcome:
    """Generate a bag, inspect it, and build a data set with what was printed."""
    bag = write_stranger_bag(folder / f'bag_{seed}', seed)
    with open_recording(bag.path) as reader:
        logs = log_recording(reader, 120.0)
    guesses = guess_currents(logs)
    places = [place for place, guess in enumerate(guesses, 1) if (guess.topic, guess.field) == (bag.topic, bag.field)]
    first = f'{guesses[0].msgtype} {guesses[0].field}' if guesses else ''
    if not places:
        return Outcome(seed, bag.kind, 0, len(guesses), first, 0, 0)
    guess = guesses[places[0] - 1]
    file = folder / f'channels_{seed}.yaml'
    timing = next(log.timing for log in logs if log.topic == guess.topic)
    file.write_text(channels_file(guess, timing), encoding='utf-8')
    dataset = build_dataset([Recording(bag.path)], windows_from_file(file), folder / f'set_{seed}').dataset
    return Outcome(seed, bag.kind, places[0], len(guesses), first, len(guess.channels), len(dataset))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write JSON.

    Returns:
        0 when the current is among the first three guesses for nine of ten bags, else 1.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--seeds', type=int, default=15, metavar='N', help='bags (%(default)d: each kind of motors once)'
    )
    parser.add_argument('--first-seed', type=int, default=0, metavar='N', help='the first seed (%(default)d)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        seeds = range(args.first_seed, args.first_seed + args.seeds)
        outcomes = [inspect_stranger(Path(folder), seed) for seed in seeds]
    found = sum(0 < outcome.place <= FIRST_GUESSES for outcome in outcomes)
    _print(outcomes, found)
    if args.json is not None:
        result = {
            'version': __version__,
            'bags': len(outcomes),
            'among_first_three': found,
            'first': sum(outcome.place == 1 for outcome in outcomes),
            'outcomes': [asdict(outcome) for outcome in outcomes],
        }
        args.json.write_text(json.dumps(result, indent=2) + '\n', encoding='utf-8')
    return 0 if found >= LEAST_SHARE * len(outcomes) else 1


def _print(outcomes: Sequence[Outcome], found: int) -> None:
    table = Table(box=SIMPLE_HEAD, title=f'{found} of {len(outcomes)} among the first {FIRST_GUESSES} guesses')
    for column in ('seed', 'motors', 'place', 'of', 'channels', 'windows', 'first guess'):
        table.add_column(column, justify='left' if column in ('motors', 'first guess') else 'right')
    for outcome in outcomes:
        table.add_row(
            str(outcome.seed),
            outcome.kind,
            str(outcome.place or 'none'),
            str(outcome.guesses),
            str(outcome.channels),
            str(outcome.windows),
            outcome.first,
        )
    # Piped output has no width of its own.
    Console(width=max(140, Console().width)).print(table)


if __name__ == '__main__':
    sys.exit(main())
