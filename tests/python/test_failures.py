import asyncio
import errno
import logging
import socket
import sqlite3
import subprocess
import time
import urllib.error
from pathlib import Path

import pydantic
import pytest

from headrace import errors
from headrace._internal import redaction
from headrace._internal.failures import (
    categorise,
    describe,
    redact,
    register_secret,
    sanitise,
    traceback_text,
)


def named(name, base=Exception, **attributes):
    error = type(name, (base,), {})("x")
    for key, value in attributes.items():
        setattr(error, key, value)
    return error


CASES = {
    "transient": [
        ConnectionResetError(),
        TimeoutError(),
        asyncio.TimeoutError(),
        errors.TimeoutError("x"),
        OSError(errno.EHOSTUNREACH, "x"),
        BlockingIOError(errno.EAGAIN, "x"),
        socket.gaierror(socket.EAI_AGAIN, "x"),
        urllib.error.HTTPError("http://x", 503, "busy", {}, None),
        named("HTTPStatusError", response=named("Response", status_code=429)),
        named("ReadTimeout"),
        named("RateLimitError"),
        sqlite3.OperationalError("database is locked"),
        subprocess.TimeoutExpired("x", 1),
        named("SMTPDataError", smtp_code=451),
        errors.StageError("s", "k", ConnectionError("x")),
        errors.RunActiveError("x"),
    ],
    "permanent": [
        ValueError("x"),
        FileNotFoundError(errno.ENOENT, "x"),
        UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
        urllib.error.HTTPError("http://x", 404, "gone", {}, None),
        named("SMTPDataError", smtp_code=550),
        errors.GuardError("x"),
        errors.CheckpointCorruptionError("x"),
        RuntimeError("x"),
        subprocess.CalledProcessError(1, "x"),
    ],
    "resource": [MemoryError(), OSError(errno.ENOSPC, "x"), OSError(errno.EMFILE, "x"), errors.ResourceError("x")],
    "configuration": [
        errors.ConfigurationError("x"),
        errors.WorkflowValidationError("x"),
        ModuleNotFoundError("x"),
        urllib.error.HTTPError("http://x", 401, "no", {}, None),
        socket.gaierror(socket.EAI_NONAME, "x"),
        named("AuthenticationException"),
        named("SSLCertVerificationError", OSError),
        named("SMTPAuthenticationError", smtp_code=535),
    ],
    "code": [
        TypeError("x"),
        KeyError("x"),
        IndexError("x"),
        AttributeError("x"),
        NameError("x"),
        AssertionError("x"),
        ZeroDivisionError("x"),
        RecursionError("x"),
        errors.StageError("s", None, TypeError("x")),
    ],
}


@pytest.mark.parametrize(
    "category, error", [(c, e) for c, found in CASES.items() for e in found], ids=lambda v: repr(v)
)
def test_errors_have_the_category_that_says_what_helps(category, error):
    assert categorise(error) == category


def test_a_group_is_transient_only_as_a_whole():
    group = type("Group", (Exception,), {})
    one = group("x")
    one.exceptions = (TimeoutError(), ConnectionError())
    assert categorise(one) == "transient"
    one.exceptions = (TimeoutError(), TypeError())
    assert categorise(one) == "code"
    one.exceptions = (one,)
    assert categorise(one) == "permanent"


SECRET = "s3cr3t-Val/ue+9"


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        f"PASSWORD = {SECRET}, user=ann",
        f'{{"password": "{SECRET}"}}',
        f"{{'db_password': '{SECRET}', 'user': 'ann'}}",
        f"login(user='ann', passwd='{SECRET}')",
        f"detail: password: {SECRET}",
        f"apiKey={SECRET}&page=2",
        f"https://x.example/a?access_token={SECRET}&page=2",
        f"GITLAB_TOKEN={SECRET}",
        f"gitlab-token: {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"authorization: Token {SECRET}",
        "Authorization: Basic czNjcjN0LVZhbC91ZSs5",
        f"headers={{'Authorization': 'Bearer {SECRET}'}}",
        f"Cookie: session={SECRET}; other={SECRET}",
        f"https://ann:{SECRET.replace('/', '_')}@git.example/x.git",
        "https://glpat-abcdefghij1234567890@git.example/x.git",
        f"postgresql://ann:{SECRET.replace('/', '_')}@db/x",
        f"tool --password {SECRET} --verbose",
        f"tool --api-key={SECRET}",
        f"invalid password '{SECRET}' for ann",
        f"aws_secret_access_key = {SECRET}",
        'password = "with \\" quote s3cr3t"',
        f"client_secret:\n  {SECRET}",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "the token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.s3cr3tsignature was refused",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIs3cr3t\n-----END RSA PRIVATE KEY-----",
        "sas: https://x.blob/y?sv=1&sig=s3cr3t%2B",
    ],
)
def test_secrets_are_hidden(text):
    shown = sanitise(text)
    assert "***" in shown
    for part in ("s3cr3t", "czNjcjN0", "AKIA", "ghp_", "glpat", "eyJh"):
        assert part not in shown


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=512, token_count: 7, tokenizer='bpe'",
        "Unexpected token '<' in JSON at position 0",
        "KeyError: 'password'",
        "password=None",
        "password: field required",
        "missing 1 required argument: 'token'",
        "see https://docs.example/auth/login?page=2 for more",
        "key=value, primary_key: 3, author: Ann",
        "mail ann@example.org about a/b@c",
        "12:30:45 ratio=3:4 a=b",
    ],
)
def test_ordinary_messages_stay_as_they_are(text):
    assert sanitise(text) == text


def test_registered_values_are_hidden_in_every_spelling(monkeypatch):
    monkeypatch.setattr(redaction, "_registered", frozenset())
    monkeypatch.setattr(redaction, "_registered_pattern", None)
    register_secret("p@ss wörd/1")
    register_secret(pydantic.SecretStr("another-one"))
    register_secret("abc")  # too short to be told from text
    shown = sanitise("a p@ss wörd/1 b p%40ss%20w%C3%B6rd%2F1 c p@ss w\\u00f6rd/1 d another-one e cEBzcyB3w7ZyZC8x abc")
    assert shown == "a *** b *** c *** d *** e *** abc"


def test_home_folders_are_shortened(monkeypatch):
    monkeypatch.setenv("HOME", "/srv/people/ann")
    assert sanitise("in '/srv/people/ann/docs/a.txt'") == "in '~/docs/a.txt'"
    assert sanitise(f"{Path.home()}: /home/bob/x /root/y C:\\Users\\Bob\\z /srv/people/anna/x") == (
        "~: ~/x ~/y ~\\z /srv/people/anna/x"
    )
    assert sanitise("/data/home/x /homes/a ./root/a a.txt") == "/data/home/x /homes/a ./root/a a.txt"


def test_messages_are_one_bounded_line():
    assert sanitise("a\n\tb\r\n  c\x1b[31m red\x00") == "a b c red"
    assert sanitise("x" * 9999).endswith("x...")
    assert len(sanitise("x" * 9999)) == 500
    assert sanitise("\ud800") == "\\ud800"

    class Rude:
        def __str__(self):
            raise ValueError

    assert sanitise(Rude()) == "<Rude that can't be shown>"
    assert describe(ValueError()) == ("ValueError", "ValueError")
    assert describe(KeyError("a")) == ("KeyError", "'a'")


def test_long_messages_take_no_time():
    started = time.perf_counter()
    for text in ("a" * 100_000, "password='" * 10_000, "://" * 30_000, "eyJ" * 30_000, "a: " * 30_000, "-" * 100_000):
        sanitise(text)
    assert time.perf_counter() - started < 5


def test_tracebacks_are_whole_and_hold_no_secret():
    def connect(password):
        raise OSError(f"refused: password={password}")

    with pytest.raises(OSError, match="refused") as caught:
        connect("s3cr3t")
    text = traceback_text(caught.value)
    assert "in connect" in text
    assert "password=***" in text
    assert "s3cr3t" not in text.replace('connect("s3cr3t")', "")
    assert len(traceback_text(ValueError("x" * 10**6))) < 70_000


def test_parameters_are_shown_without_secrets():
    shown = redact(
        {
            "folder": "docs",
            "gitlab_token": "abc",
            "max_tokens": 512,
            "token": 7,
            "password": 1234,
            "nested": [{"apiKey": "x", "n": 1}],
            "url": "https://ann:pw@git.example/x",
            "secret": pydantic.SecretStr("x"),
            "plain": pydantic.SecretStr("x"),
            "auth": ("ann", "pw"),
            "empty_password": "",
            "no_password": None,
            3: "x",
        }
    )
    assert shown == {
        "folder": "docs",
        "gitlab_token": "***",
        "max_tokens": 512,
        "token": 7,
        "password": "***",
        "nested": [{"apiKey": "***", "n": 1}],
        "url": "https://***@git.example/x",
        "secret": "***",
        "plain": "***",
        "auth": "***",
        "empty_password": "",
        "no_password": None,
        3: "x",
    }
    logging.getLogger("headrace").debug("%s", shown)
