"""Mail that is not lost: queued on disk first, delivered when the server takes it."""

from headrace.connectors.smtp._queue import MailQueue, QueuedMail
from headrace.connectors.smtp._server import MailServer

__all__ = ["MailQueue", "MailServer", "QueuedMail"]
