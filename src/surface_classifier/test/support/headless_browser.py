# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Opens an HTML file in headless Chromium, for tests: console messages, measured layout, screenshots and print to PDF.

Chromium is driven by its DevTools protocol over two pipes, so that neither a driver program, nor a WebSocket library,
nor a free port is needed.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ('chromium', 'chromium-browser', 'chromium-headless-shell', 'google-chrome', 'google-chrome-stable')
REPLY_SECONDS = 60.0
_ARGUMENTS = (
    '--headless',
    '--no-sandbox',  # the sandbox refuses to run as root, and the pages are our own
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-extensions',
    '--disable-background-networking',
    '--hide-scrollbars',
    '--no-first-run',
    '--no-default-browser-check',
    '--remote-debugging-pipe',
)

# The browser reads commands from its file descriptor 3 and answers on 4: this puts our pipes there and becomes it.
_LAUNCHER = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for place, pipe in zip((3, 4), pipes):
    os.dup2(pipe, place)
    os.close(pipe)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_browser() -> str | None:
    """Path of an installed Chromium or Chrome; None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


@dataclass
class Page:
    """One open page; made by `open_page`.

    Attributes:
        problems: What went wrong while it loaded: errors and warnings of the console, exceptions, files not found.
        requests: Addresses that the page asked for besides its own, data URIs aside.
    """

    _to_browser: int
    _from_browser: int
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _session: str | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _buffer: bytes = b''
    _loaded: bool = False

    def attach(self) -> None:
        """Opens an empty tab and listens to it."""
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self._session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(f'{domain}.enable')

    def load(self, path: Path, width: int, height: int, *, phone: bool = False) -> None:
        """Loads a file in a window of a size in CSS pixels, and waits until everything in it is there."""
        self.resize(width, height, phone=phone)
        self.problems.clear()
        self.requests.clear()
        self._loaded = False
        self.call('Page.navigate', url=path.resolve().as_uri())
        deadline = time.monotonic() + REPLY_SECONDS
        while not self._loaded:
            self._handle(self._receive(deadline))
        # Pictures are decoded after the load event, and only their decoding shows that they are sound.
        broken = self.evaluate(
            'Promise.all([...document.images].map(image => image.decode().then(() => null, () => image.alt)))'
        )
        self.problems += [f'picture cannot be decoded: {alt}' for alt in broken if alt is not None]

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Gives the window another size in CSS pixels; a phone also heeds the page's viewport and has finer pixels."""
        self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression, or of what it promises, as JSON types.

        Raises:
            RuntimeError: The expression threw.
        """
        reply = self.call('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in reply:
            raise RuntimeError(f'{expression}: {reply["exceptionDetails"]}')
        return reply['result'].get('value')

    def screenshot(self, path: Path, *, whole_page: bool = False) -> None:
        """Writes what the window shows, or the whole page, as PNG."""
        reply = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=whole_page)
        if whole_page:
            size = self.call('Page.getLayoutMetrics')['cssContentSize']
            clip = {'x': 0, 'y': 0, 'width': size['width'], 'height': size['height'], 'scale': 1}
            reply = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(reply['data']))

    def print_pdf(self, path: Path) -> None:
        """Prints the page on A4."""
        reply = self.call('Page.printToPDF', printBackground=True, paperWidth=8.27, paperHeight=11.69)
        path.write_bytes(base64.b64decode(reply['data']))

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Calls a method of the DevTools protocol and returns its result.

        Raises:
            RuntimeError: The browser refused.
            TimeoutError: The browser did not answer.
        """
        number = next(self._numbers)
        message = {'id': number, 'method': method, 'params': params}
        if self._session is not None:
            message['sessionId'] = self._session
        data = json.dumps(message).encode() + b'\0'
        while data:
            data = data[os.write(self._to_browser, data) :]
        deadline = time.monotonic() + REPLY_SECONDS
        while True:
            reply = self._receive(deadline)
            if reply.get('id') == number:
                if 'error' in reply:
                    raise RuntimeError(f'{method}: {reply["error"]}')
                result: dict[str, Any] = reply['result']
                return result
            self._handle(reply)

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b'\0' not in self._buffer:
            ready, _, _ = select.select([self._from_browser], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError('the browser did not answer')
            data = os.read(self._from_browser, 1 << 16)
            if not data:
                raise RuntimeError('the browser has ended')
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b'\0')
        message: dict[str, Any] = json.loads(text)
        return message

    def _handle(self, event: dict[str, Any]) -> None:
        method, params = event.get('method'), event.get('params', {})
        if method == 'Page.loadEventFired':
            self._loaded = True
        elif method == 'Runtime.consoleAPICalled' and params['type'] in ('error', 'warning', 'assert'):
            self.problems.append(f'console: {[item.get("value", item.get("description")) for item in params["args"]]}')
        elif method == 'Runtime.exceptionThrown':
            details = params['exceptionDetails']
            self.problems.append(f'exception: {details.get("exception", {}).get("description", details["text"])}')
        elif method == 'Log.entryAdded' and params['entry']['level'] in ('error', 'warning'):
            self.problems.append(f'log: {params["entry"]["text"]} {params["entry"].get("url", "")}')
        elif method == 'Network.loadingFailed':
            self.problems.append(f'not loaded: {params["errorText"]}')
        elif method == 'Network.requestWillBeSent':
            url = params['request']['url']
            if params.get('type') != 'Document' and not url.startswith('data:'):
                self.requests.append(url)


@contextmanager
def open_page(browser: str) -> Iterator[Page]:
    """Starts a browser with a profile of its own, and ends it afterwards.

    Args:
        browser: What `find_browser` found.
    """
    commands_read, commands_write = os.pipe()
    replies_read, replies_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix='surface-browser-', ignore_cleanup_errors=True) as profile:
        launcher = [sys.executable, '-c', _LAUNCHER, str(commands_read), str(replies_write)]
        process = subprocess.Popen(
            [*launcher, browser, *_ARGUMENTS, f'--user-data-dir={profile}', 'about:blank'],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(commands_read, replies_write),
            start_new_session=True,
        )
        os.close(commands_read)
        os.close(replies_write)
        try:
            page = Page(commands_write, replies_read)
            page.attach()
            yield page
        finally:
            os.close(commands_write)
            os.close(replies_read)
            # The browser's own children are in its process group.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
