from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import headrace as hr
from headrace.connectors.smtp import MailQueue, MailServer
from servers.mail import MailSink
from servers.sshd import free_port

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd")


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as sink:
        yield sink


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def queue(folder: Path, port: int, clock: Clock | None = None) -> MailQueue:
    server = MailServer(
        "127.0.0.1", "headrace@example.net", ("noc@example.net", "audit@example.net"), port=port, timeout=2
    )
    return MailQueue(folder / "spool", server, clock or Clock())


def test_a_mail_arrives_as_it_was_written(tmp_path: Path, sink: MailSink) -> None:
    mails = queue(tmp_path, sink.port)
    identity = mails.put("r1: committed\nwith a line break", "+ 193.0.0.0/21\nZürich\n" + "long " * 300)
    assert [mail.attempts for mail in mails.pending()] == [0]
    assert mails.flush() == 1
    assert mails.pending() == []
    message = sink.received[0]
    assert message["Subject"] == "r1: committed with a line break"
    assert message["To"] == "noc@example.net, audit@example.net"
    assert message["Message-ID"] == identity
    assert "Zürich" in message.get_content()


def test_mails_wait_while_the_server_is_down_and_come_in_order(tmp_path: Path) -> None:
    clock, port = Clock(), free_port()
    mails = queue(tmp_path, port, clock)
    for number in range(3):
        mails.put(f"event {number}", "body")
    assert mails.flush() == 0
    first = queue(tmp_path, port, clock).pending()[0]
    assert (first.attempts, first.next_try, first.refused) == (1, clock.now + 5, False)
    assert "refused" in first.error
    with MailSink(port) as sink:
        clock.now += 4
        assert mails.flush() == 2  # the others were never tried: theirs is no pause
        clock.now += 2
        assert queue(tmp_path, port, clock).flush() == 1
        assert sorted(sink.subjects) == ["event 0", "event 1", "event 2"]


def test_pauses_grow_and_can_be_cut_short(tmp_path: Path) -> None:
    clock, port = Clock(), free_port()
    mails = queue(tmp_path, port, clock)
    mails.put("event", "body")
    pauses = []
    for _ in range(10):
        mails.flush(patient=False)
        pauses.append(mails.pending()[0].next_try - clock.now)
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]
    assert mails.flush() == 0
    assert mails.pending()[0].attempts == 10


def test_a_temporary_refusal_is_tried_again_and_a_final_one_is_kept_and_said(tmp_path: Path, sink: MailSink) -> None:
    mails = queue(tmp_path, sink.port)
    for number in range(3):
        mails.put(f"event {number}", "body")
    sink.answers = ["451 try later", "554 no such thing here"]
    assert mails.flush() == 1
    assert sink.subjects == ["event 2"]
    assert [(mail.refused, mail.error[:6]) for mail in mails.pending()] == [(False, "(451, "), (True, "(554, ")]
    assert mails.flush(patient=False) == 1
    assert [mail.refused for mail in mails.pending()] == [True]
    assert mails.flush(patient=False) == 0


def test_files_are_private(tmp_path: Path) -> None:
    queue(tmp_path, 1).put("event", "body")
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "spool").glob("*.json")] == [0o600]


def test_a_full_or_read_only_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    with pytest.raises(hr.StorageError, match="mail queue"):
        queue(tmp_path, 1).put("event", "body")


def test_whether_the_server_would_take_our_mail(sink: MailSink) -> None:
    server = MailServer("127.0.0.1", "a@example.net", ("b@example.net",), port=sink.port)
    assert server.refusal() is None
    assert sink.received == []
    down = MailServer("127.0.0.1", "a@example.net", ("b@example.net",), port=free_port(), timeout=1)
    assert "refused" in str(down.refusal())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "'host' is missing"),
        ({"host": "h", "sender": "a@b", "recipients": []}, "'recipients' is missing"),
        ({"host": "h", "sender": "nobody", "recipients": ["a@b"]}, "'nobody' is not an address"),
        ({"host": "h", "sender": "a@b", "recipients": ["a@b>\r\nRCPT TO:<evil@x"]}, "is not an address"),
        ({"host": "h", "sender": "a@b", "recipients": "a@b", "security": "ssl"}, "security 'ssl'"),
        ({"host": "h", "sender": "a@b", "recipients": "a@b", "password": "x"}, "needs security"),
        ({"host": "h", "sender": "a@b", "recipients": "a@b", "user": "x"}, "unknown setting 'user'"),
    ],
)
def test_wrong_settings(config: dict[str, object], message: str) -> None:
    with pytest.raises(hr.ConfigurationError, match=message):
        MailServer.from_config(config)


def test_a_password_is_never_shown() -> None:
    server = MailServer("h", "a@b", ("c@d",), security="tls", password="s3cr3t")
    assert "s3cr3t" not in repr(server)
