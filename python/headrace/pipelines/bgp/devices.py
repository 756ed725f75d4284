"""Reads the routers from a CSV file."""

from __future__ import annotations

import csv
import io
import ipaddress
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from headrace.pipelines.bgp.errors import ConfigurationError
from headrace.pipelines.bgp.models import DeviceInfo

__all__ = ["check_devices", "load_devices_from_csv"]

REQUIRED = ("address", "hostname")
NUMBERS = ("port", "netconf_port")


def load_devices_from_csv(path: str | os.PathLike[str]) -> list[DeviceInfo]:
    """Return the devices in the order of the file.

    The columns ``address`` and ``hostname`` are needed; ``platform``, ``port`` and ``netconf_port`` may be there,
    others are left alone. ConfigurationError, with file and line, at the first thing that is wrong.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"devices file {file}: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"devices file {file}: not UTF-8 text; save it as CSV in UTF-8") from None
    devices = _parse(file, text)
    check_devices(devices, where=f"devices file {file}")
    return devices


def _parse(file: Path, text: str) -> list[DeviceInfo]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        _check_header(file, header)
        reader.fieldnames = header
        return [_device(file, reader.line_num, row) for row in reader if any(map(_filled, row.values()))]
    except csv.Error as error:
        raise ConfigurationError(f"devices file {file}, line {reader.line_num}: not CSV: {error}") from error


def _filled(value: object) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None


def _check_header(file: Path, header: list[str]) -> None:
    if not any(header):
        raise ConfigurationError(f"devices file {file}: empty; its first line must be '{','.join(REQUIRED)}'")
    for name in REQUIRED:
        if name not in header:
            shown = ", ".join(header)
            raise ConfigurationError(f"devices file {file}: column '{name}' is missing; the header has: {shown}")
    for name in header:
        if name and header.count(name) > 1:
            raise ConfigurationError(f"devices file {file}: column '{name}' is there {header.count(name)} times")


def _device(file: Path, line: int, row: Mapping[str | None, str | list[str] | None]) -> DeviceInfo:
    where = f"devices file {file}, line {line}"
    if None in row:
        raise ConfigurationError(f"{where}: more fields than the header has columns")
    values = {name: value.strip() for name, value in row.items() if isinstance(name, str) and isinstance(value, str)}
    for name in REQUIRED:
        if not values.get(name):
            raise ConfigurationError(f"{where}: '{name}' is empty")
    try:
        return DeviceInfo(
            address=values["address"],
            hostname=values["hostname"],
            platform=values.get("platform", "").lower() or "junos",
            **{name: _number(name, values[name]) for name in NUMBERS if values.get(name)},
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"{name} {text!r} is not a number")
    return int(text)


def check_devices(devices: Iterable[DeviceInfo], *, where: str = "devices") -> None:
    """ConfigurationError where there are none, or two share a host name (whatever its case) or an address and port."""
    names: dict[str, DeviceInfo] = {}
    places: dict[tuple[str, int, int], DeviceInfo] = {}
    for device in devices:
        name = device.hostname.lower()
        if name in names:
            raise ConfigurationError(f"{where}: host '{device.hostname}' is there twice")
        place = (str(ipaddress.ip_address(device.address)), device.port, device.netconf_port)
        if place in places:
            other = places[place].hostname
            raise ConfigurationError(f"{where}: '{device.hostname}' and '{other}' share the address {device.address}")
        names[name] = places[place] = device
    if not names:
        raise ConfigurationError(f"{where}: no devices")
