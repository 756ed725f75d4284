"""URLs in parallel, and answers that go on over many pages."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, overload
from urllib.parse import urljoin

from headrace import _core
from headrace.collect import arguments
from headrace.collect.arguments import MAX_OUTPUT, RetryLike
from headrace.collect.outcome import Outcome
from headrace.collect.stream import OutcomeIterator, in_order
from headrace.errors import ConfigurationError

__all__ = ["http", "next_link", "pages"]


@overload
def http(
    urls: Iterable[str],
    *,
    method: str = ...,
    headers: Mapping[str, str] | None = ...,
    body: bytes | str | None = ...,
    workers: int = ...,
    timeout: float = ...,
    retry: RetryLike | None = ...,
    max_output: int = ...,
    iter: Literal[False] = ...,
    rate: float | None = ...,
    burst: int = ...,
    max_retry_after: float = ...,
    ca_file: str | os.PathLike[str] | None = ...,
) -> list[Outcome]: ...
@overload
def http(
    urls: Iterable[str],
    *,
    method: str = ...,
    headers: Mapping[str, str] | None = ...,
    body: bytes | str | None = ...,
    workers: int = ...,
    timeout: float = ...,
    retry: RetryLike | None = ...,
    max_output: int = ...,
    iter: Literal[True],
    rate: float | None = ...,
    burst: int = ...,
    max_retry_after: float = ...,
    ca_file: str | os.PathLike[str] | None = ...,
) -> OutcomeIterator: ...
def http(
    urls: Iterable[str],
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    workers: int = 32,
    timeout: float = 30.0,
    retry: RetryLike | None = None,
    max_output: int = MAX_OUTPUT,
    iter: bool = False,
    rate: float | None = None,
    burst: int = 1,
    max_retry_after: float = 60.0,
    ca_file: str | os.PathLike[str] | None = None,
) -> list[Outcome] | OutcomeIterator:
    """Send one request to each URL, ``workers`` at a time, over connections that are kept.

    ``timeout``: seconds for one attempt, from looking up the name to the last byte. ``rate``: at most so many requests
    a second to one host, ``burst`` at once after a rest. ``Retry-After`` holds back all requests to that host; a
    server that asks for more than ``max_retry_after`` seconds is not asked again. ``retry`` applies to failures to
    connect, lost connections, time-outs and the statuses 408, 425, 429, 500, 502, 503 and 504, and never repeats a
    POST or PATCH that the server may have begun. Redirects are followed for GET and HEAD, to another host only where
    no headers are given. ``ca_file``: PEM file of the authorities to trust (default: the system's).

    Returns one :class:`Outcome` for each URL in the order given (``exit_code`` is the status, ``stdout`` the body),
    or with ``iter=True`` an iterator that yields them as they finish. Raises ConfigurationError.
    """
    targets = arguments.strings("urls", urls)
    limits = arguments.limits(workers, timeout, max_output, retry)
    collector = _core.HttpCollector(http_options(limits, method, headers, body, rate, burst, max_retry_after, ca_file))
    stream = collector.stream(targets, arguments.capacity(workers, iter))
    return OutcomeIterator(stream, targets) if iter else in_order(stream, targets)


def _rate(rate: float) -> float:
    value = arguments.number("rate", rate)
    if value <= 0:
        raise ConfigurationError("rate must be a number of requests a second above 0, or None for no limit")
    return value


def http_options(
    limits: arguments.Limits,
    method: str,
    headers: Mapping[str, str] | None,
    body: bytes | str | None,
    rate: float | None,
    burst: int,
    max_retry_after: float,
    ca_file: str | os.PathLike[str] | None,
) -> _core.HttpOptions:
    """The arguments of :func:`http`, checked, as the core takes them. Raises ConfigurationError."""
    return _core.HttpOptions(
        limits=limits,
        method=arguments.string("method", method),
        headers=_headers(headers),
        body=arguments.octets("body", body),
        rate=0.0 if rate is None else _rate(rate),
        burst=arguments.whole("burst", burst),
        max_retry_after=arguments.number("max_retry_after", max_retry_after),
        ca_file=_ca_file(ca_file),
    )


def next_link(outcome: Outcome) -> str | None:
    """The URL of the page after ``outcome``, as its ``Link`` header (RFC 8288) tells it."""
    for part in re.split(r",\s*(?=<)", outcome.headers.get("link", "")):
        match = re.match(r"\s*<([^>]*)>(.*)", part)
        if match and re.search(r";\s*rel\s*=\s*(\"[^\"]*\bnext\b[^\"]*\"|next\b)", match[2], re.IGNORECASE):
            return urljoin(str(outcome.target), str(match[1]))
    return None


def pages(
    url: str,
    *,
    next_url: Callable[[Outcome], str | None] = next_link,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    retry: RetryLike | None = None,
    max_output: int = MAX_OUTPUT,
    max_pages: int = 10_000,
    rate: float | None = None,
    max_retry_after: float = 60.0,
    ca_file: str | os.PathLike[str] | None = None,
) -> Iterator[Outcome]:
    """Yield the pages of an answer, one after the other, over one connection.

    ``next_url(outcome)`` tells the next page's URL, or None at the last (default: the ``Link`` header). A list that is
    not whole is never taken for one: the last outcome is not ``ok`` when a page failed, when a page leads back to one
    that was seen, or when there are more than ``max_pages``. The other arguments are those of :func:`http`.
    """
    arguments.string("url", url)
    limits = arguments.limits(1, timeout, max_output, retry)
    collector = _core.HttpCollector(http_options(limits, "GET", headers, None, rate, 1, max_retry_after, ca_file))
    return _pages(collector, url, next_url, arguments.whole("max_pages", max_pages))


def _pages(
    collector: _core.HttpCollector, url: str, next_url: Callable[[Outcome], str | None], max_pages: int
) -> Iterator[Outcome]:
    seen: set[str] = set()
    following: str | None = url
    while following is not None:
        if following in seen:
            yield _no_page(following, "this page was seen before: the pages lead in a circle")
            return
        if len(seen) >= max_pages:
            yield _no_page(following, f"there are more than {max_pages} pages; raise max_pages")
            return
        seen.add(following)
        (outcome,) = in_order(collector.stream([following], 1), [following])
        yield outcome
        following = next_url(outcome) if outcome.ok else None


def _no_page(url: str, message: str) -> Outcome:
    return Outcome(url, ok=False, error_type="protocol", message=message)


def _headers(headers: Mapping[str, str] | None) -> list[tuple[bytes, bytes]]:
    """Names and values as they are sent; a value is not shown in a message, it may be a secret."""
    encoded = []
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ConfigurationError(f"header {name!r}: its name and its value must be strings")
        encoded.append((name.encode("utf-8", "replace"), value.encode("utf-8", "replace")))
    return encoded


def _ca_file(ca_file: str | os.PathLike[str] | None) -> bytes:
    given = ca_file if ca_file is not None else os.environ.get("SSL_CERT_FILE", "")
    path = os.fsencode(given)
    if path and not Path(os.fsdecode(path)).is_file():
        raise ConfigurationError(f"ca_file {os.fsdecode(path)!r} is not a file")
    return path
