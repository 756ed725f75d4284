"""hr.collect.http and hr.collect.pages against a real server."""

import gc
import os
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tests.servers.web import Answer, Request, WebServer

import headrace as hr
from headrace.types import Retry


def test_one_outcome_for_each_url_in_the_order_given():
    def answer(request: Request) -> Answer:
        if request.path == "/slow":
            time.sleep(0.2)
        if request.path == "/missing":
            return Answer(404, b"no such thing")
        return Answer(200, request.path.encode(), {"X-Path": request.path})

    with WebServer(answer) as server:
        urls = [f"{server.url}/slow", f"{server.url}/quick", f"{server.url}/missing", "gopher://x/"]
        slow, quick, missing, odd = hr.collect.http(urls)
    assert (slow.ok, slow.stdout, slow.exit_code, slow.target) == (True, b"/slow", 200, urls[0])
    assert quick.headers["x-path"] == "/quick"
    assert (missing.ok, missing.error_type, missing.exit_code) == (False, "exit", 404)
    assert missing.stdout == b"no such thing"
    assert missing.message == "HTTP status 404"
    assert odd.error_type == "unreachable"


def test_method_body_and_headers_arrive():
    with WebServer(lambda request: Answer(201, request.body)) as server:
        (outcome,) = hr.collect.http(
            [f"{server.url}/x"], method="POST", body="ä", headers={"PRIVATE-TOKEN": "t", "Content-Type": "text/plain"}
        )
        request = server.requests[0]
    assert (outcome.ok, outcome.text) == (True, "ä")
    assert (request.method, request.headers["private-token"], request.headers["content-type"]) == (
        "POST",
        "t",
        "text/plain",
    )


def test_connections_are_kept():
    with WebServer(lambda _: Answer(200, b"x" * 12_000)) as server:
        outcomes = hr.collect.http([f"{server.url}/{n}" for n in range(200)], workers=8)
        assert all(outcome.ok for outcome in outcomes)
        assert server.connections <= 8


def test_retry_after_is_waited_for():
    def answer(request: Request) -> Answer:
        return Answer(429, b"", {"Retry-After": "1"}) if request.number == 1 else Answer(200, b"now")

    with WebServer(answer) as server:
        (outcome,) = hr.collect.http([server.url], retry=Retry(attempts=3, delay=0.01))
    assert (outcome.ok, outcome.attempts) == (True, 2)
    assert outcome.seconds >= 1


def test_retries_are_for_transient_failures_only():
    with WebServer(lambda request: Answer(503 if request.path == "/busy" else 403)) as server:
        busy, forbidden = hr.collect.http(
            [f"{server.url}/busy", f"{server.url}/forbidden"], retry=Retry(attempts=3, delay=0.01)
        )
    assert (busy.attempts, busy.error_type) == (3, "exit")
    assert (forbidden.attempts, forbidden.error_type) == (1, "exit")


def test_a_cut_body_is_no_success():
    with WebServer(lambda _: Answer(200, b"half", promise=1000)) as server:
        (outcome,) = hr.collect.http([server.url])
    assert (outcome.ok, outcome.error_type, outcome.stdout) == (False, "protocol", b"half")


def test_timeout_and_output_limit():
    def answer(request: Request) -> Answer:
        if request.path == "/hang":
            time.sleep(1)
        return Answer(200, b"x" * 5000)

    with WebServer(answer) as server:
        begun = time.monotonic()
        hung, long = hr.collect.http([f"{server.url}/hang", f"{server.url}/long"], timeout=0.3, max_output=4000)
        assert time.monotonic() - begun < 0.7
    assert (hung.error_type, hung.ok) == ("timeout", False)
    assert (long.error_type, len(long.stdout)) == ("output_limit", 4000)


def test_rate_limits_a_host():
    with WebServer(lambda _: Answer()) as server:
        begun = time.monotonic()
        outcomes = hr.collect.http([server.url] * 11, rate=20)
        assert time.monotonic() - begun >= 0.49
    assert all(outcome.ok for outcome in outcomes)


def test_a_name_that_does_not_exist_and_a_closed_port_are_unreachable():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    name, closed = hr.collect.http(["http://no-such-host.invalid/", f"http://127.0.0.1:{port}/"], timeout=10)
    assert (name.error_type, closed.error_type) == ("unreachable", "unreachable")


def test_an_untrusted_certificate_is_a_host_key_failure(tmp_path: Path):
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", tmp_path / "key", "-out", tmp_path / "cert"]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    with WebServer(lambda _: Answer(200, b"secure")) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
        url = server.url.replace("http:", "https:")
        (refused,) = hr.collect.http([url])
        (trusted,) = hr.collect.http([url], ca_file=tmp_path / "cert")
    assert (refused.ok, refused.error_type) == (False, "host_key")
    assert (trusted.ok, trusted.stdout) == (True, b"secure")


def test_pages_follow_the_link_header():
    def answer(request: Request) -> Answer:
        page = int(request.path.rpartition("=")[2])
        links = f'</list?page={page - 1}>; rel="prev", </list?page={page + 1}>; rel="next"; title="a, b"'
        return Answer(200, b"%d" % page, {"Link": links} if page < 4 else {})

    with WebServer(answer) as server:
        outcomes = list(hr.collect.pages(f"{server.url}/list?page=1"))
        assert [outcome.stdout for outcome in outcomes] == [b"1", b"2", b"3", b"4"]
        assert all(outcome.ok for outcome in outcomes)
        assert server.connections == 1


def test_pages_end_with_a_failure_when_the_list_is_not_whole():
    def broken(request: Request) -> Answer:
        return Answer(500) if request.path == "/2" else Answer(200, b"1", {"Link": "</2>; rel=next"})

    with WebServer(broken) as server:
        assert [outcome.ok for outcome in hr.collect.pages(f"{server.url}/1")] == [True, False]

    with WebServer(lambda _: Answer(200, b"", {"Link": "</>; rel=next"})) as server:
        *good, last = hr.collect.pages(f"{server.url}/")
        assert len(good) == 1
        assert (last.ok, last.error_type) == (False, "protocol")

    with WebServer(lambda request: Answer(200)) as server:
        outcomes = list(hr.collect.pages(f"{server.url}/", next_url=lambda o: o.target + "x", max_pages=3))
        assert [outcome.ok for outcome in outcomes] == [True, True, True, False]
        assert "max_pages" in outcomes[-1].message


def test_many_requests_leave_nothing_behind():
    with WebServer(lambda _: Answer()) as server:
        hr.collect.http([server.url])
        gc.collect()
        before = client_resources()
        for outcome in hr.collect.http([server.url] * 300, iter=True):
            assert outcome.ok
        gc.collect()
        deadline = time.monotonic() + 2
        while client_resources() > before and time.monotonic() < deadline:
            time.sleep(0.02)  # the server's threads see the end of their connections
        assert client_resources() <= before


def client_resources() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")), threading.active_count()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"urls": [5]}, "urls must be a string, not 5"),
        ({"urls": "http://127.0.0.1/"}, "urls must be a list of strings"),
        ({"method": "GE T"}, "'GE T' is not an HTTP method"),
        ({"headers": {"A": 5}}, "header 'A': its name and its value must be strings"),
        ({"headers": {"A": "x\r\ny"}}, "line break in its value"),
        ({"body": 5}, "body must be bytes or a string, not int"),
        ({"rate": -1}, "rate must be a number of requests a second above 0"),
        ({"rate": 0}, "rate must be a number of requests a second above 0"),
        ({"burst": 0}, "burst must be at least 1"),
        ({"ca_file": "/no/such/file"}, "ca_file '/no/such/file' is not a file"),
        ({"workers": 0}, "workers must be at least 1"),
    ],
)
def test_bad_input_is_one_clear_line(arguments: dict, message: str):
    with pytest.raises(hr.ConfigurationError) as caught:
        hr.collect.http(**({"urls": ["http://127.0.0.1/"]} | arguments))
    assert message in str(caught.value)


def test_secrets_do_not_show():
    with pytest.raises(hr.ConfigurationError) as caught:
        hr.collect.http(["http://127.0.0.1/"], headers={"Private-Token": "hunter2\n"})
    assert "hunter2" not in str(caught.value)
