"""A pool of worker processes behind one call."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from headrace.connectors.docling._convert import convert_text, needs_parser
from headrace.connectors.docling._formats import detect
from headrace.connectors.docling._process import CrashedError, Worker
from headrace.connectors.docling._result import ConversionError, Converted
from headrace.errors import ConfigurationError, ResourceError, TimeoutError

__all__ = ["Converter"]


def _never() -> bool:
    return False


class Converter:
    """Documents to Markdown. Any number of threads may call it; close it when done.

    Text and Markdown are read here; everything else is parsed by Docling (PDF: by PDFium) in one of ``workers``
    processes, which start when they are first needed. A document that hangs, eats memory or crashes its parser
    costs its process and nothing else.

    Args:
        workers: Processes at the same time.
        timeout: Seconds that one document may take; the start of a process is not in it.
        memory: Bytes that one document may take, beyond the parser itself.
        recycle_after: Documents after which a process is replaced by a fresh one (parsers leak).
        max_size: Bytes of a document; larger ones are refused.
        max_unpacked: Bytes that an Office file may unpack to.
        artifacts: The folder of Docling's models (``docling-tools models download``): PDF goes through its layout and
            table models then, which need the whole of Docling and several times the memory. None: PDFium's text.

    Raises:
        ConfigurationError: ``artifacts`` is no folder of models, or the packages that run them are not installed.
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        timeout: float = 120.0,
        memory: int = 1 << 30,
        recycle_after: int = 200,
        max_size: int = 100 << 20,
        max_unpacked: int = 512 << 20,
        artifacts: str | os.PathLike[str] | None = None,
    ) -> None:
        self._artifacts = None if artifacts is None else _models(Path(artifacts))
        self._timeout, self._memory, self._recycle_after = timeout, memory, recycle_after
        self._max_size, self._max_unpacked = max_size, max_unpacked
        self._free = threading.Semaphore(workers)
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        # A child dies with the *thread* that started it, so one thread that lives as long as we do starts them all.
        self._starter = ThreadPoolExecutor(1, "headrace-converter")
        self._closed = False

    def check_size(self, size: int) -> None:
        """Refuses a document that is too large, before anyone reads it.

        Raises:
            ResourceError: It is larger than ``max_size``.
        """
        if size > self._max_size:
            raise ResourceError(f"it has {size >> 20} MB, the limit is {self._max_size >> 20} MB (max_size)")

    def convert(self, name: str, data: bytes, cancelled: Callable[[], bool] = _never) -> Converted:
        """A document as Markdown.

        Args:
            name: Its file name; the ending is believed only where the content says nothing.
            data: Its content.
            cancelled: Asked twenty times a second; True stops the conversion.

        Raises:
            ConversionError: It can't be converted, for the reason given.
            ResourceError: It is too large or needs too much memory; or no process could be started.
            TimeoutError: It takes too long.
            CancelledError: ``cancelled`` said so.
            ConfigurationError: Docling is not installed.
        """
        self.check_size(len(data))
        if not data:
            return Converted("", "empty", name, (), ("it is empty",))
        format_, warnings = detect(name, data)
        if not needs_parser(format_):
            return _noted(convert_text(name, data, format_, warnings))
        _require(format_)
        request = {"name": name, "max_unpacked": self._max_unpacked, "artifacts": self._artifacts}
        return _noted(_converted(self._ask(request, data, cancelled), self._memory))

    def _ask(self, request: dict[str, Any], data: bytes, cancelled: Callable[[], bool]) -> dict[str, Any]:
        with self._free:
            worker = self._take()
            try:
                answer = worker.ask(request, data, self._timeout, cancelled)
            except TimeoutError:
                raise TimeoutError(f"it takes longer than {self._timeout:g} s (timeout)") from None
            except CrashedError as error:
                raise ConversionError(f"it crashed its parser ({error})") from None
            if answer.get("error") == "memory" or worker.served >= self._recycle_after:
                worker.kill()
            else:
                self._give_back(worker)
            return answer

    def _take(self) -> Worker:
        with self._lock:
            if self._closed:
                raise ConversionError("the converter is closed")
            if self._idle:
                return self._idle.pop()
        return self._starter.submit(Worker, self._memory).result()

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(worker)
                return
        worker.kill()

    @property
    def pids(self) -> list[int]:
        """The processes that wait for work."""
        with self._lock:
            return [worker.pid for worker in self._idle]

    def close(self) -> None:
        """Ends the processes. One that is working ends when its document is done."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for worker in idle:
            worker.kill()
        self._starter.shutdown(wait=False)

    def __enter__(self) -> Converter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _models(folder: Path) -> str:
    if not (folder.is_dir() and any(folder.glob("*docling*"))):
        raise ConfigurationError(f"{folder} holds no models of Docling: docling-tools models download -o {folder}")
    if find_spec("docling_ibm_models") is None:
        raise ConfigurationError("Docling's models need all of it: pip install docling, or set no artifacts")
    return str(folder.resolve())


def _require(format_: str) -> None:
    module = "pypdfium2" if format_ == "pdf" else "docling"
    if find_spec(module) is None:
        raise ConfigurationError(f"converting {format_} needs {module}: pip install 'headrace[documents]'")


def _noted(converted: Converted) -> Converted:
    if converted.text.strip() or converted.warnings:
        return converted
    return replace(converted, warnings=("it has no text",))


def _converted(answer: dict[str, Any], memory: int) -> Converted:
    if "converted" in answer:
        fields = answer["converted"]
        return Converted(**{**fields, "pages": tuple(fields["pages"]), "warnings": tuple(fields["warnings"])})
    if answer["error"] == "memory":
        raise ResourceError(f"it needs more than {memory >> 20} MB of memory (memory)")
    if answer["error"] == "import":
        raise ConfigurationError(f"the module {answer['message']} is missing: pip install 'headrace[documents]'")
    raise ConversionError(answer["message"])
