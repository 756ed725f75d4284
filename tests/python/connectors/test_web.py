"""Addresses as a source, over a real HTTP server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from headrace.connectors.web import list_addresses, read_list
from headrace.errors import ConfigurationError, ResourceError, StorageError

asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.answer(False)

    def do_GET(self) -> None:
        self.answer(True)

    def answer(self, whole: bool) -> None:
        asked.append(f"{self.command} {self.path}")
        name = self.path.strip("/")
        if name == "missing.md" or (name == "nohead.md" and not whole):
            self.send_error(404 if name == "missing.md" else 405)
            return
        body = f"# {name}".encode() * (1 if name != "big.md" else 1_000_000)
        self.send_response(200)
        if name == "tagged.md":
            self.send_header("ETag", '"v1"')
        if name in ("dated.md", "big.md"):
            self.send_header("Last-Modified", "Mon, 02 Mar 2026 09:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if whole:
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        asked.clear()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_only_what_has_no_version_is_downloaded(address: str) -> None:
    names = ["tagged.md", "dated.md", "plain.md", "nohead.md"]
    files = list(list_addresses([f"{address}/{name}" for name in names]))
    assert [file.version for file in files][:2] == ['"v1"', "Mon, 02 Mar 2026 09:00:00 GMT 10"]
    assert [len(file.version) for file in files][2:] == [64, 64]
    assert sorted(line for line in asked if line.startswith("GET")) == ["GET /nohead.md", "GET /plain.md"]
    assert [file.load() for file in files] == [f"# {name}".encode() for name in names]
    assert [file.version for file in list_addresses([f"{address}/plain.md"])] == [files[2].version]


def test_what_cant_be_read_is_listed_and_fails_when_loaded(address: str) -> None:
    missing, gone = list_addresses([f"{address}/missing.md", "http://127.0.0.1:9/x.md"])
    with pytest.raises(StorageError, match="404"):
        missing.load()
    with pytest.raises(StorageError, match="can't read it"):
        gone.load()
    assert missing.version == "unreadable:exit:404"


def test_a_large_one_is_broken_off(address: str) -> None:
    (big,) = list_addresses([f"{address}/big.md"], max_size=1 << 20)
    assert big.size == 8_000_000
    with pytest.raises(ResourceError, match="more than 1 MB"):
        big.load()


def test_a_list_of_addresses(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("# mine\nhttp://a/x.md\n\n https://b/y.pdf \nhttp://a/x.md\n")
    assert read_list(str(file)) == ["http://a/x.md", "https://b/y.pdf"]
    for line in ("file:///etc/passwd", "http://me:secret@host/x", "just text"):
        file.write_text(line)
        with pytest.raises(ConfigurationError, match="is not an address"):
            read_list(str(file))
    with pytest.raises(ConfigurationError, match="can't read the list"):
        read_list(str(tmp_path / "missing"))
