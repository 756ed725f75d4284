"""Asks each address what version it has; downloads only what has to be worked on."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.connectors import SourceFile
from headrace.errors import ConfigurationError, ResourceError, StorageError
from headrace.types import Retry

if TYPE_CHECKING:
    from headrace.collect import Outcome

__all__ = ["list_addresses", "read_list"]

_ADDRESS = re.compile(r"https?://[^/\s@]+(/\S*)?")
_RETRY = Retry(attempts=3, delay=0.5)


def read_list(file: str) -> list[str]:
    """The addresses in a file: one a line; empty lines and those that begin with ``#`` don't count.

    Raises:
        ConfigurationError: There is no such file, or a line is no address.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"can't read the list of addresses {file}: {error}") from error
    addresses = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise ConfigurationError(f"{file}: {address[:80]!r} is not an address (http:// or https://, no user name)")
    return list(dict.fromkeys(addresses))


def list_addresses(
    addresses: Sequence[str], *, timeout: float = 30.0, max_size: int = 100 << 20
) -> Iterator[SourceFile]:
    """The documents behind addresses; the version is the ``ETag``, or the date and size, or else the content's SHA-256.

    An address that can't be read is listed all the same (its ``load`` raises), so that it doesn't look deleted.
    """
    from headrace.collect import http

    answers = http(addresses, method="HEAD", timeout=timeout, retry=_RETRY)
    unknown = [answer.target for answer in answers if not _version(answer)]
    read = {answer.target: answer for answer in http(unknown, timeout=timeout, retry=_RETRY, max_output=max_size)}
    for answer in answers:
        address = str(answer.target)
        got = read.get(address)
        if got is None:
            version, size = _version(answer), answer.headers.get("content-length", "")
        elif got.ok:
            version, size = hashlib.sha256(got.stdout).hexdigest(), str(len(got.stdout))
        else:
            version, size = f"unreadable:{got.error_type}:{got.exit_code}", ""
        load = functools.partial(_download, address, timeout, max_size)
        yield SourceFile(address, version, load, int(size) if size.isdigit() else None)


def _version(answer: Outcome) -> str:
    """What the server calls this version; empty if it doesn't say."""
    if not answer.ok:
        return ""
    tag, date = answer.headers.get("etag", ""), answer.headers.get("last-modified", "")
    if tag and not tag.startswith("W/"):
        return tag
    return f"{date} {answer.headers.get('content-length', '')}" if date else tag


def _download(address: str, timeout: float, max_size: int) -> bytes:
    from headrace.collect import http

    (answer,) = http([address], timeout=timeout, retry=_RETRY, max_output=max_size)
    if answer.error_type == "output_limit":
        raise ResourceError(f"it has more than {max_size >> 20} MB, the limit (max_size)")
    if not answer.ok:
        raise StorageError(f"can't read it: {answer.message}")
    return answer.stdout
