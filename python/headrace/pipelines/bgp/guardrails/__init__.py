"""The guardrails: what must hold before a list is used, or a router is touched. Each rule has one place."""

from headrace.pipelines.bgp.guardrails.last_good import LastGoodLists
from headrace.pipelines.bgp.guardrails.lists import LIST_RULES, Violation, check_change, check_list
from headrace.pipelines.bgp.guardrails.router import HaltSwitch, MaintenanceWindow
from headrace.pipelines.bgp.guardrails.rpki import RpkiTable
from headrace.pipelines.bgp.guardrails.settings import GuardrailSettings

__all__ = [
    "LIST_RULES",
    "GuardrailSettings",
    "HaltSwitch",
    "LastGoodLists",
    "MaintenanceWindow",
    "RpkiTable",
    "Violation",
    "check_change",
    "check_list",
]
