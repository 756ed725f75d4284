"""Parallel collection: one outcome for each target, whatever happens to the others.

``ssh`` runs commands on hosts, ``processes`` runs commands here, ``http`` asks URLs (``pages`` follows one from page to
page). Each works in a native thread that never holds the GIL; Ctrl-C ends it, with everything it started, within a
quarter of a second. ``SshStage``, ``ProcessStage`` and ``HttpStage`` are the same as stages of a pipeline.
"""

from headrace.collect.outcome import CommandOutput, Outcome
from headrace.collect.processes import processes
from headrace.collect.shell import ssh
from headrace.collect.stages import HttpStage, ProcessStage, SshStage
from headrace.collect.stream import OutcomeIterator
from headrace.collect.web import http, next_link, pages

__all__ = [
    "CommandOutput",
    "HttpStage",
    "Outcome",
    "OutcomeIterator",
    "ProcessStage",
    "SshStage",
    "http",
    "next_link",
    "pages",
    "processes",
    "ssh",
]
