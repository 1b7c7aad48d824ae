# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Files of the odd kinds that people have, through the verbs that read and write them.

Each row is named by its property and links to a public report of the kind; rows without a link are siblings of the row
above. `tools/field_kinds_against.py` runs the rows of this folder against another commit.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from field_bags import BASE_NS, JOINTS, NS, WHEELS, Entry, drive, joint_state, write_bag, write_channels
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter

from current_driver import messages
from surface_classifier.cli.main import main

BUILD = 'dataset build bag -o ds --channels js.yaml'


@dataclass(frozen=True)
class FileKind:
    """One kind of file.

    Attributes:
        name: Its property.
        source: A public report of it; empty for a sibling of the row above.
        make: Makes the files in the present folder.
        command: What to type behind `surface`.
        words: What the output must hold.
        code: Exit status.
        absent: What the output must not hold.
    """

    name: str
    source: str
    make: Callable[[], object]
    command: str
    words: tuple[str, ...] = ()
    code: int = 2
    absent: tuple[str, ...] = ()


def good_bag() -> Path:
    return write_bag(
        Path('bag'), drive(lambda _, t, left, right: [('joint_states', joint_state(t, WHEELS, (left, right)), t)])
    )


def data_set() -> Path:
    good_bag()
    assert main(shlex.split(BUILD)) == 0
    return Path('ds')


def two_sources(ids: tuple[int, int], offset: int) -> Callable[[], object]:
    """Two drivers publish blocks on one topic, with these ids."""

    def make() -> None:
        def entries() -> Iterator[Entry]:
            for number, surface in enumerate(('carpet', 'tiles')):
                start = BASE_NS + number * 8 * NS
                yield 'surface_truth', messages.truth_message(start, surface, 'import'), start
                for index in range(80):
                    for source, stream_id in enumerate(ids):
                        stamps = (
                            start + index * NS // 10 + np.arange(10, dtype=np.int64) * NS // 100 + source * 5_000_000
                        )
                        block = messages.CurrentBlock(
                            stamps,
                            np.full((10, 2), 1.0 + number + 5 * source),
                            ('left', 'right'),
                            800 * number + 10 * index + source * offset,
                            stream_id,
                        )
                        yield 'motor_current', messages.current_block_message(block), int(stamps[-1])

        write_bag(Path('bag'), entries())

    return make


def raw_mcap(change: Callable[[bytearray], object], *, repeat: int = 1, **options: object) -> Callable[[], object]:
    """A file of joint states and labels in chunks, whose bytes are changed."""

    def make() -> None:
        for number in range(repeat):
            with Path(f'part{number}.mcap').open('wb') as stream:
                writer = McapWriter(stream, chunk_size=20_000, **{'compression': CompressionType.NONE, **options})
                writer.start('ros2', 'test')
                channels: dict[str, int] = {}
                found = drive(lambda _, t, left, right: [('joint_states', joint_state(t, WHEELS, (left, right)), t)])
                for topic, message, log_ns, *_ in found:
                    if topic not in channels:
                        text = messages.definition(message.__msgtype__).encode()
                        schema = writer.register_schema(message.__msgtype__, 'ros2msg', text)
                        channels[topic] = writer.register_channel(topic, 'cdr', schema)
                    stamp_ns = messages.stamp_ns(message.header.stamp) + number * 60 * NS
                    fields = {name: value for name, value in vars(message).items() if not name.startswith('_')}
                    cdr = messages.serialize(type(message)(**{**fields, 'header': messages.header(stamp_ns)}))
                    writer.add_message(channels[topic], log_ns + number * 60 * NS, cdr, log_ns)
                writer.finish()
        data = bytearray(b''.join(Path(f'part{number}.mcap').read_bytes() for number in range(repeat)))
        change(data)
        Path('odd.mcap').write_bytes(data)

    return make


def flip_in_the_middle(data: bytearray) -> None:
    data[len(data) // 2] ^= 0x40


def zero_tail(data: bytearray) -> None:
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)


def cut(data: bytearray) -> None:
    del data[len(data) * 3 // 4 :]


def odd_mcap(
    *, encoding: str = 'ros2msg', text: str | None = None, name: str = JOINTS, qos: str = ''
) -> Callable[[], object]:
    """A file whose schema or channel of joint states is odd."""

    def make() -> None:
        with Path('odd.mcap').open('wb') as stream:
            writer = McapWriter(stream)
            writer.start('ros2', 'test')
            channels: dict[str, int] = {}
            found = drive(lambda _, t, left, right: [('joint_states', joint_state(t, WHEELS, (left, right)), t)])
            for topic, message, log_ns, *_ in found:
                if topic not in channels:
                    is_odd = topic == 'joint_states'
                    stock = messages.definition(message.__msgtype__)
                    schema = writer.register_schema(
                        name if is_odd else message.__msgtype__,
                        encoding if is_odd else 'ros2msg',
                        (stock if text is None or not is_odd else text).encode(),
                    )
                    metadata = {'offered_qos_profiles': qos} if is_odd and qos else {}
                    channels[topic] = writer.register_channel(topic, 'cdr', schema, metadata)
                writer.add_message(channels[topic], log_ns, messages.serialize(message), log_ns)
            writer.finish()

    return make


def changed_data_set(change: Callable[[Path], object]) -> Callable[[], object]:
    return lambda: change(data_set())


def flip_data(folder: Path) -> None:
    file = max(folder.glob('**/*.npy'), key=lambda path: path.stat().st_size)
    data = bytearray(file.read_bytes())
    data[-5] ^= 0x10
    file.write_bytes(data)


def nan_data(folder: Path) -> None:
    file = max(folder.glob('**/*.npy'), key=lambda path: path.stat().st_size)
    values = np.load(file)
    values.reshape(-1)[::7] = np.nan
    np.save(file, values)


def flip_labels(folder: Path) -> None:
    (file,) = folder.glob('**/labels.npy')
    np.save(file, np.load(file)[::-1].copy())


def bag_with(name: str, text: str | bytes) -> Callable[[], object]:
    def make() -> None:
        (good_bag() / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return make


def laughs() -> str:
    lines = ['a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]']
    lines += [f'a{n}: &a{n} [{", ".join(10 * [f"*a{n - 1}"])}]' for n in range(1, 6)]
    return '\n'.join(lines) + '\n'


def named_bag(surface: str, topic: str = 'joint_states') -> Callable[[], object]:
    def make() -> None:
        def entries() -> Iterator[Entry]:
            yield 'surface_truth', _truth(surface), BASE_NS
            for index in range(300):
                t = BASE_NS + index * NS // 50
                yield topic, joint_state(t, WHEELS, (1.0, 2.0)), t

        write_bag(Path('bag'), entries())

    return make


def _truth(surface: str) -> object:
    message = messages.truth_message(BASE_NS, 'x', 'import')
    return type(message)(header=message.header, surface=surface, origin='import')


def file_of(name: str, content: bytes) -> Callable[[], object]:
    def make() -> None:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)

    return make


def left_behind(*kinds: str) -> Callable[[], object]:
    """A data set whose replacement was killed between the renames: folders of a process that is no more."""

    def make() -> None:
        folder = data_set()
        for kind in kinds:
            shutil.copytree(folder, f'.ds.{kind}-99999999')
        shutil.rmtree(folder)

    return make


def arrays(*lengths: int) -> Callable[[], object]:
    def make() -> None:
        windows = np.empty(len(lengths), dtype=object)
        windows[:] = [np.zeros((length, 2)) for length in lengths]
        np.save('x.npy', windows, allow_pickle=True)
        np.save('y.npy', np.arange(len(lengths)) % 2)

    return make


def texts() -> None:
    np.save('x.npy', np.full((3, 10, 2), 'a'))
    np.save('y.npy', np.zeros(3, dtype=int))


def archive() -> None:
    np.savez('x.npz', a=np.zeros((3, 10, 2)), b=np.zeros(3))
    np.save('y.npy', np.zeros(3, dtype=int))


def misnamed(number: int) -> Callable[[], object]:
    def make() -> None:
        rows = ''.join(f'{i * 10},{1.0 + i % 3}\n' for i in range(600))
        file_of(f'drives/carpet/{number}.csv', f'timestamp,current_left\n{rows}'.encode())()

    return make


CRC_LINK = 'https://github.com/foxglove/mcap/issues/385'
CAT_LINK = 'https://github.com/foxglove/mcap/pull/1331'
LFS_LINK = 'https://github.com/Extelligence-ai/bagel/issues/55'
ROS1_LINK = 'https://github.com/virtual-vehicle/pointcloudset/issues/76'
QOS_LINK = 'https://github.com/ros2/rosbag2/issues/2278'
SCHEMA_LINK = 'https://github.com/facontidavide/cloudini/issues/21'
YAML_LINK = 'https://github.com/yaml/pyyaml/issues/235'
LFS = b'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n'
ESC = '\x1b[31m'

KINDS = [
    FileKind(
        'two sources with one stream id',
        'https://github.com/yujinrobot/kobuki/issues/388',
        two_sources((0, 0), 3),
        'dataset build bag -o ds',
        ('samples of two sources',),
    ),
    FileKind(
        'two sources with two stream ids',
        '',
        two_sources((1, 2), 3),
        'dataset build bag -o ds',
        ('samples of two sources',),
    ),
    FileKind(
        'two sources that count alike',
        '',
        two_sources((7, 7), 0),
        'dataset build bag -o ds',
        ('samples of two sources',),
    ),
    FileKind(
        'a chunk whose checksum does not match',
        CRC_LINK,
        raw_mcap(flip_in_the_middle),
        'recover odd.mcap --output saved',
        ('damaged chunks are left out', 'joint_states'),
        code=0,
    ),
    FileKind(
        'a tail of zeros',
        '',
        raw_mcap(zero_tail),
        'recover odd.mcap --output saved',
        ('no end or was damaged',),
        code=0,
    ),
    FileKind(
        'two files joined by cat',
        CAT_LINK,
        raw_mcap(lambda _: None, repeat=2),
        'recover odd.mcap --output saved',
        ('2 files that were joined are one file now', '1204 messages'),
        code=0,
    ),
    FileKind(
        'two files joined by cat, built',
        '',
        raw_mcap(lambda _: None, repeat=2),
        'dataset build odd.mcap -o ds --channels js.yaml',
        ('2 files that were joined', '42 windows'),
        code=0,
    ),
    FileKind('a file that is cut off', '', raw_mcap(cut), 'recover odd.mcap --output saved', ('recovered',), code=0),
    FileKind(
        'positions offered as currents',
        'https://github.com/ros-controls/ros2_controllers/pull/1572',
        lambda: write_bag(
            Path('bag'),
            drive(lambda i, t, _l, _r: [('joint_states', positions(t, i), t)]),
        ),
        'inspect bag -o out.yaml',
        absent=('unit: A',),
    ),
    FileKind(
        'a flipped byte in a data set',
        'https://github.com/yuxiangalvin/DeepLOB-Model-Implementation-Project/issues/1',
        changed_data_set(flip_data),
        'train ds -o model',
        ('digest',),
    ),
    FileKind('NaN in a data set', '', changed_data_set(nan_data), 'evaluate ds', ('digest',)),
    FileKind('labels in another order', '', changed_data_set(flip_labels), 'diagnose ds', ('digest',)),
    FileKind('a flipped byte, shown', '', changed_data_set(flip_data), 'info ds', ('digest',)),
    FileKind(
        'a data set killed between its renames',
        'https://github.com/ros2/rosbag2/issues/557',
        left_behind('replaced'),
        'info ds',
        ('windows of 1 s',),
        code=0,
    ),
    FileKind(
        'a data set killed between its renames, the new one is complete',
        '',
        left_behind('replaced', 'partial'),
        'dataset info ds',
        ('windows of 1 s',),
        code=0,
    ),
    FileKind(
        'half a data set beside a name that is free',
        '',
        left_behind('partial'),
        f'{BUILD}',
        ('windows of 1 s',),
        code=0,
    ),
    FileKind('aliases of aliases in notes', YAML_LINK, bag_with('recording.yaml', laughs()), 'info bag', ('aliases',)),
    FileKind('notes nested without end', '', bag_with('recording.yaml', '[' * 3000), 'info bag', ('deep',)),
    FileKind(
        'a whole number of 5000 digits', '', bag_with('recording.yaml', f'a: {"9" * 5000}'), 'info bag', ('64 bits',)
    ),
    FileKind('an unknown tag', '', bag_with('recording.yaml', 'a: !!python/object:os.system x'), 'info bag', ('YAML',)),
    FileKind('a date that is none', '', bag_with('recording.yaml', 'a: 2024-13-45'), 'info bag', ('timestamp',)),
    FileKind('metadata of another type', '', bag_with('metadata.yaml', 'rosbag2_bagfile_information: 5'), 'info bag'),
    FileKind(
        'a list of files that is a number',
        '',
        bag_with('metadata.yaml', 'rosbag2_bagfile_information: {relative_file_paths: 5}'),
        BUILD,
        ('relative_file_paths',),
    ),
    FileKind(
        'an escape code in a note',
        'https://github.com/ros2/rclcpp/issues/940',
        bag_with('recording.yaml', 'operator: "\\e[31mAda"'),
        'info bag',
        ('Ada',),
        code=0,
        absent=('\x1b[31m',),
    ),
    FileKind('an escape code in a surface', '', named_bag(f'{ESC}ice'), 'info bag', ('ice',), code=0, absent=(ESC,)),
    FileKind('an escape code in a topic', '', named_bag('ice', f'{ESC}topic'), 'info bag', code=0, absent=(ESC,)),
    FileKind('a NUL in a note', '', bag_with('recording.yaml', 'operator: "A\\0da"'), 'info bag', ('NUL',)),
    FileKind(
        'an empty definition', SCHEMA_LINK, odd_mcap(text=''), 'dataset build odd.mcap -o ds --channels js.yaml', code=0
    ),
    FileKind(
        'a profile that lacks policies',
        QOS_LINK,
        odd_mcap(qos='- durability: 2\n'),
        'dataset build odd.mcap -o ds --channels js.yaml',
        code=0,
    ),
    FileKind(
        'a type named as in ROS 1',
        '',
        odd_mcap(name='sensor_msgs/JointState'),
        'dataset build odd.mcap -o ds --channels js.yaml',
        code=0,
    ),
    FileKind(
        'a Git LFS pointer', LFS_LINK, file_of('bag.mcap', LFS), 'info bag.mcap', ('git lfs pull',), absent=('recover',)
    ),
    FileKind('a Git LFS pointer in a bag', '', file_of('b/x.db3', LFS), 'recover b', ('git lfs pull',)),
    FileKind('a Git LFS pointer, built', '', file_of('b/x.mcap', LFS), 'dataset build b -o ds', ('git lfs pull',)),
    FileKind('a ROS 1 bag', ROS1_LINK, file_of('old.bag', b'#ROSBAG V2.0\n'), 'info old.bag', ('rosbags-convert',)),
    FileKind(
        'a folder of ROS 1 bags',
        '',
        file_of('o/1.bag', b'#ROSBAG V2.0\n'),
        'dataset build o -o ds',
        ('rosbags-convert',),
    ),
    FileKind(
        'windows of unequal length',
        'https://stackoverflow.com/questions/52388831',
        arrays(10, 12, 10),
        'import arrays x.npy y.npy -o ds',
        ('unequal length',),
        absent=('numpy.save',),
    ),
    FileKind('texts in the place of windows', '', texts, 'import arrays x.npy y.npy -o ds', ('x.npy', 'numbers')),
    FileKind('two arrays in one file', '', archive, 'import arrays x.npz y.npy -o ds', ('x.npz', 'several arrays')),
    FileKind(
        'milliseconds taken for seconds',
        'https://docs.edgeimpulse.com/reference/data-ingestion/data-acquisition-format',
        misnamed(1),
        'import csv drives -o rec',
        ('timestamp_ms',),
        absent=('shorter',),
    ),
    FileKind(
        'an empty file', LFS_LINK, file_of('e.mcap', b''), 'info e.mcap', ('the recording is empty; record it again',)
    ),
    FileKind(
        'an empty file, recovered',
        '',
        file_of('e.db3', b''),
        'recover e.db3 --output s',
        ('the recording is empty; record it again',),
    ),
    FileKind(
        'an empty file, built',
        '',
        file_of('e.mcap', b''),
        'dataset build e.mcap -o ds',
        ('the recording is empty; record it again',),
    ),
]


def positions(t: int, i: int) -> object:
    message = joint_state(t, WHEELS, ())
    return type(message)(
        header=message.header,
        name=message.name,
        position=np.array([i * 0.01, i * 0.02]),
        velocity=message.velocity,
        effort=message.effort,
    )


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name.replace(' ', '_'))
def test_the_right_value_or_a_clear_sentence(
    kind: FileKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_channels(Path('js.yaml'))
    kind.make()
    capsys.readouterr()
    code = main(shlex.split(kind.command))
    printed = ''.join(capsys.readouterr())
    assert 'Traceback' not in printed
    for words in kind.words:
        assert words in printed, printed
    for words in kind.absent:
        assert words not in printed
    assert code == kind.code, printed


@contextmanager
def held(place: Path) -> Iterator[None]:
    """Hold the lock of an output folder, as a process that writes it does."""
    lock = os.open(place.with_name(f'.{place.name}.lock'), os.O_RDWR | os.O_CREAT)
    os.write(lock, b'4711\n')
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(lock)


@pytest.mark.parametrize(
    'command', [BUILD, 'recover bag/bag.mcap --output ds', 'dataset balance full -o ds', 'train full -o ds']
)
def test_a_folder_that_another_process_writes_is_refused(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_channels(Path('js.yaml'))
    data_set().rename('full')
    with held(tmp_path / 'ds'):
        assert main(shlex.split(command)) == 2
    assert 'is being written by process 4711' in capsys.readouterr().err
    assert not Path('ds').exists()


@pytest.mark.parametrize(
    'command', ['info ds --json r.json', 'info bag --json r.json', 'dataset info ds --json r.json']
)
def test_a_full_disk_leaves_the_old_result(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_channels(Path('js.yaml'))
    data_set()
    Path('r.json').write_text('{"old": 1}')

    def full(_: int) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    assert main(shlex.split(command)) == 2
    assert 'No space left' in capsys.readouterr().err
    assert json.loads(Path('r.json').read_text()) == {'old': 1}


def test_rows_are_named_once() -> None:
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
