"""A log file of the command line: one line an event, rotated, for its owner's eyes only."""

from __future__ import annotations

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path

from headrace.errors import ConfigurationError

__all__ = ["log_to"]

FORMAT = "%(asctime)s.%(msecs)03d %(levelname)s %(message)s"
MOST_BYTES = 10_000_000
KEPT_FILES = 3


def log_to(path: str) -> None:
    """Write what runs and stages log to a file, made 0600; ConfigurationError where that can't be."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        handler = _Private(path, maxBytes=MOST_BYTES, backupCount=KEPT_FILES, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"the log {path} can't be written: {error.strerror}") from None
    handler.setFormatter(logging.Formatter(FORMAT, "%Y-%m-%d %H:%M:%S"))
    logger = logging.getLogger("headrace")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


class _Private(RotatingFileHandler):
    def doRollover(self) -> None:  # noqa: N802 - the name of the base class
        """Go on in a new file, with the rights of the one before."""
        super().doRollover()
        Path(self.baseFilename).chmod(0o600)
