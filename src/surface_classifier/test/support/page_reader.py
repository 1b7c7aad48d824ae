# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A reader of the HTML pages, which checks that they are well formed."""

from __future__ import annotations

from html.parser import HTMLParser

VOID_ELEMENTS = {'meta', 'img', 'br', 'link'}


class PageReader(HTMLParser):
    """Collects text, references and anchors of a page, and fails on tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ''
        self.references: list[str] = []
        self.anchors: set[str] = set()
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or '' for name, value in attrs if name in ('src', 'href')]
        self.anchors |= {value or '' for name, value in attrs if name == 'id'}
        if tag not in VOID_ELEMENTS:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
