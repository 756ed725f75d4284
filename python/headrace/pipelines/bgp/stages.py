"""The BGP pipeline on the engine: collection, discovery, processing, generation, application, compilation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import headrace as hr
from headrace.pipelines.bgp.asn import classify
from headrace.pipelines.bgp.job import BgpJob
from headrace.pipelines.bgp.models import PolicyResult
from headrace.store import StoredRun, as_store

__all__ = ["PIPELINE", "STAGES", "build_pipeline", "known_runs", "policies_from"]

PIPELINE = "bgp"
STAGES = ("collection", "discovery", "processing", "generation", "application", "compilation")
"""The stages as users know them. On the engine, application is one stage a wave."""


def known_runs(store: Path) -> list[StoredRun]:
    """Return the pipeline's runs in ``store``, newest first. One that is missing, or still in the making, has none."""
    return as_store(store).runs(PIPELINE) if store.exists() else []


def policies_from(stored: Mapping[str, Mapping[str, Any]]) -> dict[int, PolicyResult]:
    """Return policies out of the journal's form."""
    return {int(number): PolicyResult(**policy) for number, policy in stored.items()}


def build_pipeline(job: BgpJob) -> hr.Pipeline:
    """Return the pipeline for one job. Every item carries the execution's id: a new execution asks everything anew."""
    pipe = hr.Pipeline(PIPELINE, version="1")
    _collection(pipe, job)
    _generation(pipe, job)
    _compilation(pipe, job, after=[_application(pipe, job), "mappings"])
    return pipe


def _collection(pipe: hr.Pipeline, job: BgpJob) -> None:
    def devices(ctx: hr.Context) -> dict[str, Any]:
        execution = ctx.params["execution_id"]
        return {device.hostname: {"hostname": device.hostname, "execution": execution} for device in job.devices}

    def collection(ctx: hr.Context, device: dict[str, Any]) -> dict[str, Any]:
        job.progress.update_stage("collection")
        with job.clock.unit("collection"):
            return {**device, **job.collect(device["hostname"], lambda: ctx.cancelled)}

    def discovery(ctx: hr.Context, collected: dict[str, Any]) -> dict[str, Any]:
        with job.clock.unit("discovery"):
            found = job.discover(collected["hostname"], collected["bgp_data"])
        return {"hostname": collected["hostname"], "execution": collected["execution"], **found}

    def processing(ctx: hr.Context) -> dict[str, Any]:
        job.progress.update_stage("processing")
        with job.clock.unit("processing"):
            found = job.discovered(lambda: ctx.results("discovery"))
            routers = {hostname: list(result.as_numbers) for hostname, result in found.items()}
            numbers = sorted({number for known in routers.values() for number in known})
            kinds = {str(number): str(classify(number)) for number in numbers}
        eligible = job.eligible(numbers)
        job.progress.update_stage("generation")
        return {"routers": routers, "kinds": kinds, "eligible": eligible, "execution": ctx.params["execution_id"]}

    def mappings(ctx: hr.Context) -> str:
        return job.write_mappings(job.discovered(lambda: ctx.results("discovery")))

    pipe.step(devices)
    pipe.map(collection, over="devices", workers=job.config.parallel_workers)
    pipe.map(discovery, over="collection")
    pipe.step(processing, after="discovery")
    pipe.step(mappings, after="processing")


def _generation(pipe: hr.Pipeline, job: BgpJob) -> None:
    def as_numbers(ctx: hr.Context, found: dict[str, Any]) -> dict[str, Any]:
        new = job.not_asked_yet(found["as_numbers"])
        return {str(number): {"number": number, "execution": found["execution"]} for number in new}

    def generation(ctx: hr.Context, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        with job.clock.unit("generation"):
            answers = job.look_up([entry["number"] for entry in entries])
        return [{**entry, **answer} for entry, answer in zip(entries, answers, strict=True)]

    def policies(ctx: hr.Context) -> dict[str, Any]:
        known = ctx.results("processing")
        answers = {answer["number"]: answer for answer in ctx.results("generation").values()}
        with job.clock.unit("generation"):
            judged = job.judge(answers, known["eligible"])
            job.remember_policies(judged)
            files = job.write_policies(judged, known["routers"])
        stored = {str(number): policy.to_dict() for number, policy in judged.items()}
        return {"policies": stored, "files": files, "execution": known["execution"]}

    pipe.flat_map(as_numbers, over="discovery")  # an AS is asked for as soon as the first router names it
    pipe.batch(generation, over="as_numbers", size=128, workers=1)
    pipe.step(policies, after=["generation", "processing"])


def _application(pipe: hr.Pipeline, job: BgpJob) -> str:
    """Add the waves; return the name of the last stage."""
    before = "policies"
    if job.config.mode == "user" and not job.config.dry_run:
        return before
    for number in range(1, len(job.config.rollout) + 2):
        before = _wave(pipe, job, number, before)
    return before


def _wave(pipe: hr.Pipeline, job: BgpJob, number: int, before: str) -> str:
    def wave(ctx: hr.Context) -> dict[str, Any]:
        known = ctx.results("processing")
        job.progress.update_stage("application")
        waves = job.waves(known["routers"], _policies(ctx, job))
        mine = waves[number - 1] if number <= len(waves) else []
        return {
            hostname: {"hostname": hostname, "numbers": known["routers"][hostname], "execution": known["execution"]}
            for hostname in mine
        }

    def apply(ctx: hr.Context, router: dict[str, Any]) -> dict[str, Any]:
        _policies(ctx, job)
        with job.clock.unit("application"):
            return dataclasses.asdict(job.apply(router["hostname"], router["numbers"]))

    def reconcile(ctx: hr.Context, router: dict[str, Any]) -> dict[str, Any] | None:
        _policies(ctx, job)
        with job.clock.unit("application"):
            result = job.settle(router["hostname"], router["numbers"])
        return None if result is None else dataclasses.asdict(result)

    step = pipe.step(wave, name=f"wave_{number}", after=before)
    options: dict[str, Any] = {"effect": True, "reconcile": reconcile, "workers": job.config.apply_workers}
    pipe.map(apply, name=f"application_{number}", over=step, **options)
    return f"application_{number}"


def _policies(ctx: hr.Context, job: BgpJob) -> dict[int, PolicyResult]:
    if job.policies is None:
        job.remember_policies(policies_from(ctx.results("policies")["policies"]))
    return job.policies or {}


def _compilation(pipe: hr.Pipeline, job: BgpJob, after: list[str]) -> None:
    def compilation(ctx: hr.Context) -> dict[str, Any]:
        job.progress.update_stage("compilation")
        with job.clock.unit("compilation"):
            settled = [dataclasses.asdict(result) for result in job.settle_leftovers()]
            sent = job.trail.flush()
        return {"execution": ctx.params["execution_id"], "mails_sent": sent, "settled": settled}

    pipe.step(compilation, after=after, trigger="always")
