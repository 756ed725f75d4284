"""What kind of fault an exception is, and how it may be told."""

from __future__ import annotations

import builtins
import errno
import re
import socket
import traceback
from typing import Any, Literal

from headrace import errors
from headrace._internal.redaction import HIDDEN, hide_home, hide_secrets, redact, register_secret, register_secrets

__all__ = [
    "HIDDEN",
    "Category",
    "categorise",
    "describe",
    "redact",
    "register_secret",
    "register_secrets",
    "sanitise",
    "traceback_text",
]

Category = Literal["transient", "permanent", "resource", "configuration", "code"]

LONGEST_MESSAGE = 500  # characters
LONGEST_TRACEBACK = 65_536

RESOURCE_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.ENOLCK}
TRANSIENT_ERRNOS = {
    *(errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ETXTBSY, errno.ESTALE, errno.EDEADLK),
    *(errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED, errno.EPIPE),
    *(errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET, errno.ENOBUFS),
}
TRANSIENT_STATUS = {408, 409, 421, 423, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529}
CONFIGURATION_STATUS = {401, 403, 407}

# By class, the first that fits.
_BY_CLASS: list[tuple[tuple[type[BaseException], ...], Category]] = [
    ((errors.ConfigurationError, errors.WorkflowValidationError), "configuration"),
    ((errors.ResourceError, MemoryError), "resource"),
    ((errors.TimeoutError, errors.RunActiveError, errors.CancelledError), "transient"),
    ((errors.StorageError,), "resource"),
    ((errors.HeadraceError,), "permanent"),
    ((builtins.TimeoutError, KeyboardInterrupt), "transient"),
    ((ConnectionError, InterruptedError, BlockingIOError, EOFError), "transient"),
    ((ImportError,), "configuration"),
    ((UnicodeError,), "permanent"),
    ((TypeError, AttributeError, NameError, LookupError, AssertionError), "code"),
    ((NotImplementedError, RecursionError, ZeroDivisionError, SyntaxError, StopIteration, StopAsyncIteration), "code"),
]

# By the names of the class and its bases, for libraries that need not be installed.
_BY_NAME: list[tuple[re.Pattern[str], Category]] = [
    (
        re.compile(r"Certificate|SSLCert|HostKey|Authentication|Unauthori[sz]ed|Forbidden|Credential|Settings"),
        "configuration",
    ),
    (re.compile(r"OutOfMemory|QuotaExceeded|DiskFull|ResourceExhausted"), "resource"),
    (
        re.compile(
            r"Timeout|TimedOut|Cancelled|Temporar|Transient|RateLimit|Throttl|TooManyRequests|ServiceUnavailable|Connect(ion)?Error|"
            r"NetworkError|ServerDisconnected|Retryable|Deadlock|SerializationFailure|RemoteProtocolError|ProtocolError"
        ),
        "transient",
    ),
]


def categorise(error: BaseException) -> Category:
    """Return what kind of fault ``error`` is: whether another try, room, settings or code can help."""
    return _categorise(error, 0)


def _categorise(error: BaseException, depth: int) -> Category:
    inner = _inside(error)
    if inner and depth < 8:
        found = [_categorise(e, depth + 1) for e in inner]
        return next((category for category in found if category != "transient"), "transient")
    for judge in (_by_status, _by_errno, _by_class, _by_name):
        category = judge(error)
        if category is not None:
            return category
    return "permanent"


def _inside(error: BaseException) -> list[BaseException]:
    """The errors that ``error`` merely carries."""
    carried = [e for e in getattr(error, "exceptions", ()) if isinstance(e, BaseException)]
    original = getattr(error, "original_error", None)
    return [original] if isinstance(original, BaseException) else carried


def _by_status(error: BaseException) -> Category | None:
    """An answer of HTTP or SMTP, in any of the places where libraries put its number."""
    response = getattr(error, "response", None)
    places = (error, response) if response is not None else (error,)
    for place in places:
        for name in ("status_code", "status", "code", "http_status", "smtp_code", "response_code"):
            value = getattr(place, name, None)
            if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
                return _of_status(value, smtp=name == "smtp_code")
    return None


def _of_status(status: int, smtp: bool) -> Category:
    if smtp:
        return "transient" if status < 500 else "configuration" if status in (530, 534, 535, 538) else "permanent"
    if status in CONFIGURATION_STATUS:
        return "configuration"
    return "transient" if status in TRANSIENT_STATUS else "permanent"


def _by_errno(error: BaseException) -> Category | None:
    if isinstance(error, socket.gaierror):
        return "transient" if error.errno == socket.EAI_AGAIN else "configuration"
    if not isinstance(error, OSError):
        return None
    if error.errno in RESOURCE_ERRNOS:
        return "resource"
    return "transient" if error.errno in TRANSIENT_ERRNOS else None


def _by_class(error: BaseException) -> Category | None:
    if type(error).__name__ == "OperationalError" and ("locked" in str(error) or "connection" in str(error).lower()):
        return "transient"  # of sqlite3, psycopg and their like
    return next((category for classes, category in _BY_CLASS if isinstance(error, classes)), None)


def _by_name(error: BaseException) -> Category | None:
    names = " ".join(cls.__name__ for cls in type(error).__mro__ if cls.__module__ != "builtins")
    return next((category for pattern, category in _BY_NAME if pattern.search(names)), None)


def sanitise(message: Any, longest: int = LONGEST_MESSAGE) -> str:
    """Return ``message`` as one line of at most ``longest`` characters, without secrets and home folders."""
    text = hide_home(hide_secrets(_text(message)))
    text = " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0e-\x1f\x7f]", "", text).split())
    return text if len(text) <= longest else text[: longest - 3] + "..."


def describe(error: BaseException) -> tuple[str, str]:
    """Return an exception's type and its sanitised message, which is never empty."""
    return type(error).__name__, sanitise(error) or type(error).__name__


def traceback_text(error: BaseException) -> str:
    """Return the whole traceback for the store: no secrets, at most 64 KiB, its end kept."""
    text = hide_secrets(_utf8("".join(traceback.format_exception(type(error), error, error.__traceback__))))
    return text if len(text) <= LONGEST_TRACEBACK else "...\n" + text[-LONGEST_TRACEBACK:]


def _text(message: Any) -> str:
    try:
        return _utf8(str(message))
    except Exception:
        return f"<{type(message).__name__} that can't be shown>"


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
