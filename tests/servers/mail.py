"""A real SMTP server (aiosmtpd) that keeps what it gets, and can refuse."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller

from servers.sshd import free_port

__all__ = ["MailSink"]


class MailSink:
    """Listens on a port of 127.0.0.1. ``answers``: what it says instead of taking a mail, one a mail, first to last."""

    def __init__(self, port: int = 0) -> None:
        self.port = port or free_port()
        self.received: list[EmailMessage] = []
        self.answers: list[str] = []
        self._controller: Controller | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers:
            return self.answers.pop(0)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        return "250 OK"

    def __enter__(self) -> MailSink:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._controller is not None
        self._controller.stop()

    @property
    def subjects(self) -> list[str]:
        """The subjects of what came."""
        return [str(message["Subject"]) for message in self.received]

    def config(self) -> dict[str, Any]:
        """Settings that send to it."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "sender": "headrace@example.net",
            "recipients": ["noc@example.net"],
        }
