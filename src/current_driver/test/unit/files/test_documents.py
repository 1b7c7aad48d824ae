# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The one reader of YAML and JSON: what it refuses, how fast, and that sound documents are read as ever.

Kinds of damage after https://en.wikipedia.org/wiki/Billion_laughs_attack, https://github.com/yaml/pyyaml/issues/235
(aliases), https://github.com/python/cpython/issues/95778 (long integers) and https://seriot.ch/projects/parsing_json.html.
"""

from __future__ import annotations

import json
import math
import pickle
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from current_driver.errors import SurfaceError
from current_driver.files.documents import DocumentError, parse_json, parse_yaml, read_json, read_yaml

LAUGHS = 'a0: &a0 [ha, ha]\n' + ''.join(f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9)}]\n' for n in range(1, 10))
YAML_DAMAGES = {
    'billion laughs': LAUGHS,
    'laughs of mappings': 'a0: &a0 {x: 1}\n'
    + ''.join(f'a{n}: &a{n} {{{", ".join(f"k{k}: *a{n - 1}" for k in range(9))}}}\n' for n in range(1, 10)),
    'alias of itself': 'a: &a [*a]',
    'mapping that holds itself': '&a {b: *a}',
    'unknown alias': 'a: *b',
    'deep lists': '[' * 5000 + ']' * 5000,
    'deep lists, open': '[' * 50000,
    'deep mappings': '{a: ' * 500 + '1' + '}' * 500,
    'deep by indentation': '\n'.join(' ' * k + f'k{k}:' for k in range(200)),
    'deep by aliases': 'a0: &a0 [1]\n' + ''.join(f'a{n}: &a{n} [*a{n - 1}]\n' for n in range(1, 100)),
    'long integer': 'a: ' + '9' * 5000,
    'integer of 65 bits': 'a: 18446744073709551616',
    'long negative integer': 'a: -' + '9' * 400,
    'long hexadecimal integer': 'a: 0x' + 'f' * 17,
    'float beyond a double': 'a: 1.0e+999',
    'empty integer': 'a: !!int ""',
    'not a boolean': 'a: !!bool maybe',
    'not a date': 'a: !!timestamp yesterday',
    'month 13': 'a: 2024-13-45',
    'hour 25': 'a: 2024-01-01 25:00:00',
    'unknown tag': 'a: !robot {x: 1}',
    'python object': 'a: !!python/object/apply:os.system [echo]',
    'not base64': 'a: !!binary "ä"',
    'list as a key': '? [1, 2]\n: 3',
    'key given twice': 'a: 1\nb: 2\na: 3',
    'NUL': 'a: "x\\0y"',
    'NUL in a key': '"x\\0y": 1',
    'raw NUL': 'a: x\0y',
    'raw escape code': 'a: x\x1b[31m',
    'tab as indentation': 'a:\n\tb: 1',
    'two documents': '--- 1\n--- 2',
    'open quotation mark': 'a: "b',
    'large': 'a: ' + 'x' * (3 << 20),
}
JSON_DAMAGES = {
    'empty': '',
    'cut off': '{"a": [1, 2',
    'deep lists': '[' * 100_000 + ']' * 100_000,
    'deep lists, open': '[' * 100_000,
    'depth 70': '[' * 70 + ']' * 70,
    'deep mappings': '{"a":' * 5000 + '1' + '}' * 5000,
    'long integer': '{"a": ' + '9' * 5000 + '}',
    'integer of 65 bits': '{"a": 18446744073709551616}',
    'float beyond a double': '{"a": 1e999}',
    'NaN': '{"a": NaN}',
    'Infinity': '{"a": -Infinity}',
    'key given twice': '{"a": 1, "a": 2}',
    'NUL': '{"a": "x\\u0000y"}',
    'NUL in a key': '{"x\\u0000y": 1}',
    'comment': '{"a": 1} // one',
    'two documents': '{} {}',
    'single quotation marks': "{'a': 1}",
}


@pytest.mark.parametrize('name', YAML_DAMAGES)
def test_a_damaged_yaml_file_is_refused_at_once_with_its_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / 'f.yaml'
    file.write_text(YAML_DAMAGES[name], encoding='utf-8')
    begin = time.process_time()
    with pytest.raises(DocumentError) as caught:
        read_yaml(file, 'do this')
    assert time.process_time() - begin < 5
    message = str(caught.value)
    assert message.startswith(f'{file}: ')
    assert message.endswith('; do this')
    assert len(message) < len(str(file)) + 300


@pytest.mark.parametrize('name', JSON_DAMAGES)
def test_a_damaged_json_file_is_refused_at_once_with_its_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / 'f.json'
    file.write_text(JSON_DAMAGES[name], encoding='utf-8')
    with pytest.raises(DocumentError) as caught:
        read_json(file, 'do this')
    message = str(caught.value)
    assert message.startswith(f'{file}: ')
    assert message.endswith('; do this')
    assert len(message) < len(str(file)) + 300


@pytest.mark.parametrize('read', [read_yaml, read_json])
def test_what_is_no_text_file_is_refused(tmp_path: Path, read: object) -> None:
    assert callable(read)
    (tmp_path / 'latin').write_bytes('größe: 1'.encode('latin-1'))
    for path, reason in ((tmp_path / 'none', 'no such file'), (tmp_path, 'directory'), (tmp_path / 'latin', 'UTF-8')):
        with pytest.raises(DocumentError, match=reason) as caught:
            read(path)
        assert caught.value.missing == (reason == 'no such file')
    with pytest.raises(SurfaceError):
        read('a\0b')


def test_aliases_and_merges_of_ordinary_size_are_followed() -> None:
    text = 'base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}\nlist: [*b, *b]\nagain: {<<: [*b, {z: 1}]}\n'
    assert parse_yaml(text, 'it') == yaml.safe_load(text)


def test_numbers_at_the_limits_are_read() -> None:
    assert parse_yaml('[18446744073709551615, -9223372036854775808, .inf, -.inf, 0b101, 1_000]', 'it') == [
        2**64 - 1, -(2**63), math.inf, -math.inf, 5, 1000,
    ]  # fmt: skip
    assert parse_json('[18446744073709551615, -9223372036854775808, 1e308]', 'it') == [2**64 - 1, -(2**63), 1e308]
    assert math.isnan(parse_json('[NaN]', 'it', not_finite=True)[0])
    assert parse_yaml('', 'it') is None


LETTERS = [letter for letter in map(chr, range(32, 0x300)) if unicodedata.category(letter) != 'Cc']
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(LETTERS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('abcdefgh', min_size=1), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(VALUES)
def test_sound_documents_are_read_as_the_libraries_read_them(value: object) -> None:
    assert parse_json(json.dumps(value), 'it') == value
    text = yaml.safe_dump(value, allow_unicode=True)
    assert parse_yaml(text, 'it') == yaml.safe_load(text)


@pytest.mark.parametrize('parse', [parse_yaml, parse_json])
@given(text=st.text(max_size=60))
def test_any_text_gives_a_value_or_the_one_error(parse: Callable[[str, str], object], text: str) -> None:
    try:
        parse(text, 'it')
    except DocumentError as error:
        assert str(error).startswith('it: ')  # noqa: PT017 - no other error may come


def test_the_error_crosses_to_another_process() -> None:
    error = DocumentError('f.yaml', 'is bad', 'correct it', missing=True)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.origin, copy.reason, copy.missing) == (str(error), 'f.yaml', 'is bad', True)
