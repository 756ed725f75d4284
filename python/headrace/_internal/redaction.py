"""Keeps secrets and home folders out of whatever is shown or stored.

What counts as a secret: a value whose key's name says so, an ``Authorization`` header, the user and password in a URL,
texts in the shape of well-known tokens, pydantic's secret types, and every value given to :func:`register_secret`.
"""

from __future__ import annotations

import base64
import enum
import functools
import itertools
import json
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from headrace._internal.records import Record, describe

__all__ = ["HIDDEN", "hide_home", "hide_secrets", "is_secret_name", "redact", "register_secret", "register_secrets"]

HIDDEN = "***"
SHORTEST = 4  # a registered secret of fewer characters would blank out half of every text

SECRET_WORDS = frozenset(
    (
        "password passwd passwort pwd passphrase senha secret secrets apikey accesskey secretkey privatekey "
        "authorization auth credential credentials cookie cookies bearer jwt signature sig"
    ).split()
)
KEY_OWNERS = frozenset(
    "api access secret private account client encryption signing ssh license master storage service".split()
)
HARMLESS_VALUES = frozenset(
    (
        "none null true false required missing invalid empty field str int bytes must not is was cannot expected "
        "wrong incorrect and or for the of in to error failed"
    ).split()
)

# Tokens that are known by their looks, wherever they stand.
_SHAPES = re.compile(
    r"""
    -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    | \b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b
    | \b(?:gh[pousr]_|github_pat_|glpat-|gldt-|hf_|npm_|xox[abprs]-|sk-|rk_live_|sk_live_|pypi-|dop_v1_|AIza)[\w-]{16,}
    | \beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*
    | (?<=Bearer[ ])[\w.~+/=-]{8,}
    | (?<=Basic[ ])[A-Za-z0-9+/]{8,}={0,2}(?![\w])
    """,
    re.VERBOSE | re.DOTALL,
)
_USERINFO = re.compile(r"(?<=://)[^\s/@'\"<>]+(?=@)")
_KEY = re.compile(
    r"""(?<![\w])(--)?([A-Za-z][\w.-]*)          # the name, perhaps a command line flag
        (\\?["']?\s*(?:=>|:=|[:=])\s*            # how its value follows: name=, "name": ...
        | (?(1)\s+|\s+(?:(?:is|was)\s+)?(?=["'])))  # --name value, password 'value'
    """,
    re.VERBOSE,
)
_VALUE = re.compile(
    r"""(?:[bBrRuU]?(?P<quote>\\?["'])(?:.*?)(?<!\\)(?P=quote)
        | (?:(?:Bearer|Basic|Token|Digest|Negotiate)\s+)?[^\s,;&"'<>)\]}]+)""",
    re.VERBOSE | re.DOTALL,
)
_TO_THE_END = re.compile(r"[^\n\r]*")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_lock = threading.Lock()
_registered: frozenset[str] = frozenset()
_registered_pattern: re.Pattern[str] | None = None


def register_secret(value: Any) -> None:
    """Hide ``value`` (a string, or a pydantic secret) in every text from now on, also quoted or in base64."""
    global _registered, _registered_pattern  # noqa: PLW0603 - one list a process is the point
    plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    text = plain.decode("utf-8", "replace") if isinstance(plain, (bytes, bytearray)) else str(plain)
    if len(text) < SHORTEST:
        return
    raw = text.encode("utf-8", "surrogatepass")
    forms = {text, quote(raw, safe=""), quote_plus(raw), json.dumps(text)[1:-1], repr(text)[1:-1]}
    forms.add(base64.b64encode(raw).decode())
    with _lock:
        _registered = _registered | forms
        longest_first = sorted(_registered, key=len, reverse=True)
        _registered_pattern = re.compile("|".join(re.escape(form) for form in longest_first))


def register_secrets(value: Any) -> None:
    """Hide from now on what ``value`` (parameters, configuration) holds under the name of a secret, or as one."""
    value = _fields(value)
    if hasattr(type(value), "get_secret_value"):
        register_secret(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            secret = isinstance(key, str) and isinstance(item, (str, bytes)) and is_secret_name(key)
            register_secret(item) if secret else register_secrets(item)
        register_secrets(value.extra if isinstance(value, Record) else ())
    elif isinstance(value, (list, tuple)):
        for item in value:
            register_secrets(item)


@functools.lru_cache(maxsize=2048)
def is_secret_name(name: str) -> bool:
    """Whether a key of this name holds a secret: ``password``, ``gitlab_token``, ``apiKey``, not ``max_tokens``."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if any(word in SECRET_WORDS for word in words):
        return True
    if words and words[-1] == "token":
        return not {"max", "min", "pad", "eos", "bos", "unk", "sep", "cls", "mask", "next", "each"} & set(words)
    return any(first in KEY_OWNERS and second in ("key", "keys") for first, second in itertools.pairwise(words))


def hide_secrets(text: str) -> str:
    """Return ``text`` with every secret in it replaced by ``***``."""
    if _registered_pattern is not None:
        text = _registered_pattern.sub(HIDDEN, text)
    if "://" in text:
        text = _USERINFO.sub(HIDDEN, text)
    return _SHAPES.sub(HIDDEN, _hide_by_name(text))


def _hide_by_name(text: str) -> str:
    done: list[str] = []
    position = 0
    for found in _KEY.finditer(text):
        if found.end() <= position or not is_secret_name(found[2]):
            continue
        if found[3].isspace() and not found[1] and not _says_password(found[2]):
            continue  # "unexpected token 'x'" is no secret
        whole_line = found[2].lower() in ("cookie", "set-cookie")
        value = (_TO_THE_END if whole_line else _VALUE).match(text, found.end())
        if value is None or value[0].strip("\"'").lower() in HARMLESS_VALUES or not value[0].strip("\"'*"):
            continue
        mark = value["quote"] if not whole_line and value["quote"] else ""
        done += [text[position : found.end()], mark, HIDDEN, mark]
        position = value.end()
    return "".join([*done, text[position:]])


def _says_password(name: str) -> bool:
    return not {"token", "signature", "auth"} & {word.lower() for word in _WORDS.findall(name)}


@functools.cache
def _homes(home: str) -> re.Pattern[str]:
    own = [re.escape(home)] if len(home) > 1 else []
    others = [r"/home/[^/\s:'\"]+", r"/Users/[^/\s:'\"]+", r"/root", r"[A-Za-z]:\\+Users\\+[^\\\s:'\"]+"]
    return re.compile(rf"(?<![\w.~-])(?:{'|'.join(own + others)})(?![\w.-])")


def hide_home(text: str) -> str:
    """Return ``text`` with home folders shortened to ``~``."""
    try:
        home = str(Path.home())
    except (RuntimeError, KeyError):
        home = ""
    return _homes(home).sub("~", text)


def redact(value: Any) -> Any:
    """Return ``value`` (parameters, configuration) fit to be shown: secrets by key name and by type become ``***``.

    Mappings, lists and tuples are copied, dataclasses and models become records; what is in them is kept apart from
    texts, which are searched.
    """
    if hasattr(type(value), "get_secret_value"):
        return HIDDEN
    if isinstance(value, str):
        return hide_secrets(value)
    value = _fields(value)
    if isinstance(value, Record):
        fields = {name: _redact_field(name, item) for name, item in value.items()}
        return Record(value.type_name, fields, value.kind, tuple(redact(item) for item in value.extra))
    if isinstance(value, Mapping):
        return {key: _redact_field(key, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(redact(item) for item in value)
    return value


def _fields(value: Any) -> Any:
    """An object of a class as the record that would be stored of it; anything else as it is."""
    if isinstance(value, enum.Enum):
        return value
    record = describe(value)
    return value if record is None else record


def _redact_field(key: Any, value: Any) -> Any:
    if not isinstance(key, str) or not is_secret_name(key) or value is None or isinstance(value, bool) or value == "":
        return redact(value)
    counted = isinstance(value, (int, float)) and not _says_password(key)
    return value if counted else HIDDEN
