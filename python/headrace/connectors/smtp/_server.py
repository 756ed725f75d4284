"""The server that takes our mail."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from headrace.errors import ConfigurationError

__all__ = ["MailServer"]


@dataclass(frozen=True)
class MailServer:
    """Address and login. ``security``: ``none``, ``starttls`` or ``tls``; ``timeout``: seconds for each answer."""

    host: str
    sender: str
    recipients: tuple[str, ...]
    port: int = 25
    security: str = "none"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout: float = 10.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "recipients", tuple(self.recipients))
        if self.security not in ("none", "starttls", "tls"):
            raise ConfigurationError(f"email: security {self.security!r} is not one of none, starttls, tls")
        if not self.recipients:
            raise ConfigurationError("email: no recipients")
        for address in (self.sender, *self.recipients):
            if "@" not in address or any(c.isspace() or c in "<>,;" for c in address):
                raise ConfigurationError(f"email: {address!r} is not an address")
        if self.password is not None and self.security == "none":
            raise ConfigurationError("email: a password needs security 'starttls' or 'tls'")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MailServer:
        """Build from ``{"host": ..., "sender": ..., "recipients": [...]}``."""
        known = {entry.name for entry in fields(cls)}
        if unknown := sorted(set(config) - known):
            raise ConfigurationError(f"email: unknown setting '{unknown[0]}'; known: {', '.join(sorted(known))}")
        for name in ("host", "sender", "recipients"):
            if not config.get(name):
                raise ConfigurationError(f"email: '{name}' is missing")
        recipients = config["recipients"]
        return cls(**{**config, "recipients": (recipients,) if isinstance(recipients, str) else tuple(recipients)})

    @contextlib.contextmanager
    def session(self) -> Iterator[smtplib.SMTP]:
        """Yield a session that is logged in. OSError or smtplib.SMTPException where there is none."""
        if self.security == "tls":
            session: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.timeout, context=ssl.create_default_context()
            )
        else:
            session = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
        with session:
            if self.security == "starttls":
                session.starttls(context=ssl.create_default_context())
            if self.username is not None:
                session.login(self.username, self.password or "")
            yield session

    def refusal(self) -> str | None:
        """Return why the server would not take our mail now, or None: it accepted sender and all recipients."""
        try:
            with self.session() as session:
                session.ehlo_or_helo_if_needed()
                answers = [session.mail(self.sender), *(session.rcpt(address) for address in self.recipients)]
                session.rset()
        except (OSError, smtplib.SMTPException) as error:
            return f"mail server {self.host}:{self.port}: {' '.join(str(error).split())[:200]}"
        for code, text in answers:
            if not 200 <= code < 300:
                return f"mail server {self.host}:{self.port}: {code} {text.decode('utf-8', 'replace')[:200]}"
        return None
