"""From a router's configuration text to what the pipeline needs of it."""

from __future__ import annotations

import re

from headrace.pipelines.bgp.errors import IncompleteConfigurationError
from headrace.pipelines.bgp.models import DiscoveryResult, RouterProfile
from headrace.pipelines.bgp.parsing import frr, junos
from headrace.pipelines.bgp.parsing.junos_text import curly_paths, set_paths

__all__ = ["RouterInspector", "detect_format", "redact_secrets"]

_REFUSALS = ("error:", "syntax error", "unknown command", "% Unknown", "% Ambiguous", "% Command incomplete")
_BINARY = bytes((*range(0x00, 0x09), *range(0x0E, 0x20), 0x7F))
_SECRET_WORDS = ("authentication-key", "secret", "password", "pre-shared-key", "key-string")
_SECRETS = re.compile(
    rf"""(?P<key>\b(?:{"|".join(_SECRET_WORDS)})\b\s+
         (?:(?:ascii-text|hexadecimal|encrypted|\d)\s+)?)
        (?P<value>"(?:[^"\\]|\\.)*"|[^\s;{{}}]+)""",
    re.VERBOSE,
)


def redact_secrets(text: str) -> str:
    """Return ``text`` with the values of passwords and keys replaced, its structure kept."""
    if not any(word in text for word in _SECRET_WORDS):
        return text
    return _SECRETS.sub(lambda match: f"{match['key']}REDACTED", text)


def detect_format(text: str) -> str:
    """Return ``frr``, ``junos-set`` or ``junos-curly``.

    IncompleteConfigurationError where the text is none of them: empty, binary, or a router's error message.
    """
    if not text.strip():
        raise IncompleteConfigurationError("the router sent an empty configuration")
    raw = text.encode("utf-8", "replace")
    if "\ufffd" in text or len(raw.translate(None, _BINARY)) < len(raw):
        raise IncompleteConfigurationError("the router sent binary data, not a configuration")
    if any(word in text for word in _REFUSALS):
        for line in map(str.strip, text.splitlines()):
            if line.startswith(_REFUSALS):
                raise IncompleteConfigurationError(f"the router refused the command: {line[:120]}")
    if re.search(r"^(?:router bgp|frr version|Current configuration:|hostname \S+$)", text, re.MULTILINE):
        return "frr"
    if re.search(r"^set \S", text, re.MULTILINE):
        return "junos-set"
    if "{" in text:
        return "junos-curly"
    raise IncompleteConfigurationError("the router's answer is no configuration that is known here (Junos, FRR)")


class RouterInspector:
    """Reads BGP groups and AS numbers out of configurations. Holds no state."""

    def inspect_router(self, profile: RouterProfile) -> DiscoveryResult:
        """Return what ``profile.bgp_config`` says; IncompleteConfigurationError where it is not whole."""
        text = profile.bgp_config
        form = detect_format(text)
        if form == "frr":
            return frr.discover(text)
        return junos.discover(set_paths(text) if form == "junos-set" else curly_paths(text))
