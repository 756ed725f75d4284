"""Reads the configurations of all routers: one SSH engine for all of them, whoever asks first starts it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any

from headrace.pipelines.bgp.config import BgpConfig
from headrace.pipelines.bgp.models import DeviceInfo

__all__ = ["RouterCollector"]

_LOOK = 0.05
"""Seconds between two looks at whether the run was cancelled."""


class RouterCollector:
    """Collects from ``devices``, ``config.parallel_workers`` at a time. Safe to use from several threads.

    ``recorded``: host names that nobody will ask for, because a run that is gone on with has them.
    """

    def __init__(self, devices: Sequence[DeviceInfo], config: BgpConfig, recorded: Iterable[str] = ()) -> None:
        self._config = config
        known = set(recorded)
        self._devices = [device for device in devices if device.hostname not in known]
        self._answers: dict[str, Future[Any]] = {device.hostname: Future() for device in self._devices}
        self._taken: set[str] = set()
        self._lock = threading.Lock()
        self._started = self._closed = False
        self._streams: list[Any] = []

    def read(self, device: DeviceInfo, cancelled: Callable[[], bool] = lambda: False) -> Any:
        """Return the ``Outcome`` of one router as soon as it is there. A second time it is asked anew."""
        with self._lock:
            answer = None if device.hostname in self._taken else self._answers.get(device.hostname)
            self._taken.add(device.hostname)
        if answer is None:
            return next(self._collect([device], 1))
        self._start()
        while True:
            try:
                return answer.result(_LOOK)
            except NotYet:
                if cancelled():
                    self.close()

    def close(self) -> None:
        """End what is under way: it comes out as ``cancelled``."""
        with self._lock:
            self._closed = True
            for stream in self._streams:
                stream.cancel()

    def _start(self) -> None:
        with self._lock:
            if self._started:
                return
            self._started = True
        commands: dict[str, list[DeviceInfo]] = {}
        for device in self._devices:
            commands.setdefault(self._config.collect_command(device.platform), []).append(device)
        for devices in commands.values():
            workers = max(1, self._config.parallel_workers * len(devices) // len(self._devices))
            threading.Thread(target=self._deliver, args=(devices, workers), name="bgp-collection", daemon=True).start()

    def _deliver(self, devices: Sequence[DeviceInfo], workers: int) -> None:
        answers = {_target(device): self._answers[device.hostname] for device in devices}
        try:
            for outcome in self._collect(devices, workers):
                answers[outcome.target].set_result(outcome)
        except BaseException as error:
            for answer in answers.values():
                if not answer.done():
                    answer.set_exception(error)

    def _collect(self, devices: Sequence[DeviceInfo], workers: int) -> Any:
        from headrace import Retry, collect

        config = self._config
        stream = collect.ssh(
            [_target(device) for device in devices], config.collect_command(devices[0].platform),
            username=config.ssh_username, key=config.ssh_key_path, password=config.ssh_password,
            known_hosts=config.known_hosts, workers=workers, timeout=config.connection_timeout,
            retry=Retry(attempts=config.collect_attempts, delay=0.5), max_output=config.max_config_bytes, iter=True,
        )  # fmt: skip
        with self._lock:
            self._streams.append(stream)
            if self._closed:
                stream.cancel()
        return stream


def _target(device: DeviceInfo) -> str:
    return f"[{device.address}]:{device.port}" if ":" in device.address else f"{device.address}:{device.port}"
