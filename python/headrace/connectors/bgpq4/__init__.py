"""bgpq4: the prefixes that routing registries know for an AS."""

from headrace.connectors.bgpq4._client import MODES, BGPq4
from headrace.connectors.bgpq4._parse import parse_answer

__all__ = ["MODES", "BGPq4", "parse_answer"]
