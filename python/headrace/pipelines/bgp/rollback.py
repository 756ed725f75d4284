"""Rollback on demand."""

from __future__ import annotations

from headrace.pipelines.bgp.applier import Change
from headrace.pipelines.bgp.errors import ConfigurationError
from headrace.pipelines.bgp.job import BgpJob
from headrace.pipelines.bgp.models import ApplicationResult, DeviceInfo
from headrace.pipelines.bgp.records import token_for

__all__ = ["roll_back"]


def roll_back(job: BgpJob, device: DeviceInfo, by: str) -> ApplicationResult:
    """Give ``device`` back the lists of before our last confirmed change on it, and keep that change away.

    ConfigurationError where there is no such change, or ``by`` names nobody.
    """
    if not by.strip():
        raise ConfigurationError("a rollback needs the name of who demands it")
    last = job.records.last_confirmed(device.hostname)
    if last is None:
        raise ConfigurationError(
            f"{device.hostname}: no confirmed change of ours is known, so nothing can be taken back"
        )
    token = token_for(job.execution_id, device.hostname, last.before)
    job.trail.event(device.hostname, "rollback_demanded", {"by": by, "token": last.token})
    result = job.applier.apply(Change(device, last.before, token, job.execution_id, demanded=True))
    if result.success:
        job.records.settle(last, "undone", f"taken back by {by} with {token}")
        undo = job.records.get(device.hostname, token)
        if undo is not None:
            job.records.settle(undo, "undone", f"takes back {last.token}")
        asked = job.approvals.submit("router", device.hostname, last.content, f"taken back by {by}", details=last.diff)
        if asked.state == "pending":
            job.approvals.reject(asked.id, by, f"taken back from {device.hostname}")
    return result
