"""A queue of mails in a folder: one file each, whole or not there."""

from __future__ import annotations

import contextlib
import email.policy
import fcntl
import json
import os
import re
import smtplib
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

from headrace.connectors.smtp._server import MailServer
from headrace.errors import StorageError

__all__ = ["MailQueue", "QueuedMail"]

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0
_NAME = re.compile(r"\d{20}-[0-9a-f]{12}\.json")


@dataclass(frozen=True)
class QueuedMail:
    """A mail that waits. ``next_try``: Unix time; ``error``: of the last try; ``refused``: it never takes it."""

    message: str
    attempts: int = 0
    next_try: float = 0.0
    error: str = ""
    refused: bool = False


class MailQueue:
    """Mails under ``folder`` for one server. Several processes may share it.

    A mail is on disk when ``put`` returns, and leaves it when the server has taken it. After a crash in between, it is
    sent again with the same Message-ID.
    """

    def __init__(self, folder: Path, server: MailServer, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.server = server
        self._clock = clock

    def put(self, subject: str, body: str) -> str:
        """Queue a mail and return its Message-ID. StorageError where it cannot be kept."""
        message = EmailMessage(policy=email.policy.SMTP)
        message["From"] = self.server.sender
        message["To"] = ", ".join(self.server.recipients)
        message["Subject"] = " ".join(subject.split())[:200]
        message["Date"] = formatdate(self._clock())
        message["Message-ID"] = f"<{uuid.uuid4().hex}@headrace>"
        message.set_content(body)
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:12]}.json"
        self._write(self.folder / name, QueuedMail(message.as_string()))
        return str(message["Message-ID"])

    def pending(self) -> list[QueuedMail]:
        """Return what waits for delivery, oldest first, with what the server refused for good."""
        return [mail for _, mail in self._entries()]

    def flush(self, *, patient: bool = True) -> int:
        """Deliver what is due, oldest first; return how many mails the server took. Never raises for the server's sake.

        ``patient=False`` tries those too whose pause is not over. After a failure the rest waits.
        """
        with self._locked() as locked:
            if not locked:
                return 0
            now = self._clock()
            due = [(p, m) for p, m in self._entries() if not m.refused and (not patient or m.next_try <= now)]
            return self._deliver(due) if due else 0

    def _deliver(self, due: list[tuple[Path, QueuedMail]]) -> int:
        sent = 0
        at = due[0]
        try:
            with self.server.session() as session:
                for at in due:
                    if not self._send(session, *at):
                        break
                    sent += not at[0].exists()
        except (OSError, smtplib.SMTPException) as error:
            if at[0].exists():
                self._postpone(*at, error)
        return sent

    def _send(self, session: smtplib.SMTP, path: Path, mail: QueuedMail) -> bool:
        """Send one mail; False where the session is of no more use."""
        try:
            session.sendmail(self.server.sender, self.server.recipients, mail.message.encode())
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException) as error:
            self._postpone(path, mail, error)
            with contextlib.suppress(smtplib.SMTPException, OSError):
                session.rset()
                return True
            return False
        path.unlink()
        return True

    def _postpone(self, path: Path, mail: QueuedMail, error: Exception) -> None:
        pause = min(FIRST_PAUSE * 2**mail.attempts, LONGEST_PAUSE)
        text = " ".join(str(error).split())[:300]
        later = replace(mail, attempts=mail.attempts + 1, next_try=self._clock() + pause, error=text)
        self._write(path, replace(later, refused=_is_final(error)))

    def _entries(self) -> list[tuple[Path, QueuedMail]]:
        found = []
        for path in sorted(self.folder.glob("*.json")) if self.folder.is_dir() else ():
            if _NAME.fullmatch(path.name):
                with contextlib.suppress(FileNotFoundError):
                    found.append((path, QueuedMail(**json.loads(path.read_text(encoding="utf-8")))))
        return found

    def _write(self, path: Path, mail: QueuedMail) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self.folder, prefix=".")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(asdict(mail), file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except OSError as error:
            raise StorageError(f"mail queue {self.folder}: {error.strerror or error}") from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[bool]:
        """Yield whether we are the one that delivers: two at once would send everything twice."""
        if not self.folder.is_dir():
            yield False
            return
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(handle)


def _is_final(error: Exception) -> bool:
    """Whether the server refused this mail for good (5xx), not just now."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500
