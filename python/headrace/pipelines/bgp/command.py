"""``headrace bgp``: run the BGP pipeline, decide what waits, take back, stop."""

from __future__ import annotations

import argparse
import getpass
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.errors import ConfigurationError

if TYPE_CHECKING:
    from headrace.pipelines.bgp.guardrails import HaltSwitch
    from headrace.pipelines.bgp.models import DeviceInfo

__all__ = ["add_parser", "run"]

_ABOUT = """\
Reads the routers' configurations, finds their external peers, asks the routing registries (with bgpq4) what these may
announce, and writes prefix lists. Puts them onto the routers only where the mode and the guardrails allow it."""

_EXAMPLES = """\
examples:
  headrace bgp run devices.csv --ssh-username bgp-read     lists into output/, no router is touched
  headrace bgp run devices.csv --dry-run                   and what they would change on each router
  headrace bgp run devices.csv --mode system               asks a person for each router
  headrace bgp pending                                     what waits for that person
  headrace bgp approve 1f0c2a9e51 --note checked           the next run goes on with it
  headrace bgp rollback r1 --devices devices.csv           what the router had before our last change
  headrace bgp halt "storm in AMS"                         no router is changed until 'headrace bgp release'

devices.csv has the columns address and hostname, and may have platform (junos, frr, netconf), port and netconf_port.
Exit codes: 0 done, 1 something that was asked for failed, 2 wrong usage, devices or settings.
More: docs/bgp.md"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command; return its parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "bgp", help="prefix lists from the routing registries onto the routers", description=_ABOUT, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, dest="action")
    _add_run(actions)
    _add_simple(actions, "pending", "what waits for a person to decide", _pending)
    for name, text in (("approve", "let what waits pass"), ("reject", "refuse what waits, for good")):
        decide = _add_simple(actions, name, text, _decide, decides=True)
        decide.add_argument("id", metavar="ID", help="as 'headrace bgp pending' shows it")
        decide.add_argument("--note", default="", metavar="TEXT", help="why")
    rollback = _add_simple(
        actions, "rollback", "give a router back what it had before our last change", _rollback, decides=True
    )
    rollback.add_argument("router", metavar="ROUTER", help="its host name")
    _add_connection(rollback)
    text = "change no router until 'release'; a change that waits to be confirmed is taken back"
    halt = _add_simple(actions, "halt", text, _halt, decides=True)
    halt.add_argument("reason", metavar="REASON", nargs="?", default="halted on the command line", help="shown to all")
    _add_simple(actions, "release", "allow changes again after 'halt'", _release, decides=True)
    text = "forget the last good list of an AS: the next one counts as its first"
    forget = _add_simple(actions, "forget", text, _forget, decides=True)
    forget.add_argument("as_number", metavar="AS", help="as in AS3333")
    _add_simple(actions, "status", "the last run, the stop switch, what waits", _status)
    _add_simple(actions, "audit", "the audit trail, checked: nothing altered, nothing missing", _audit)
    _add_simple(actions, "mail", "send the audit mails that wait for the server", _mail)
    return parser


def _add_simple(
    actions: Any, name: str, text: str, handler: Callable[..., int], decides: bool = False
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument(
        "--output-dir", metavar="DIR", type=Path, default=Path("output"), help="what the runs write (default: output)"
    )
    parser.add_argument("--state-dir", metavar="DIR", type=Path, help="what they remember (default: OUTPUT_DIR/state)")
    parser.add_argument("--config", metavar="FILE", help="settings, JSON or YAML; options given here come first")
    if decides:
        parser.add_argument("--by", metavar="NAME", default=None, help="who decides (default: the user's name)")
    parser.set_defaults(handler=handler)
    return parser


def _add_run(actions: Any) -> None:
    parser = _add_simple(actions, "run", "collect, discover, generate, and apply as the mode allows", _run)
    parser.add_argument("devices_csv", nargs="?", metavar="DEVICES.csv", help="the routers, one a line")
    _add_connection(parser)
    parser.add_argument(
        "--mode",
        choices=("user", "system", "autonomous"),
        help="user: no router is touched (default); system: what a person approved is applied; autonomous: changes of "
        "low risk are applied, the rest waits for a person (needs 'email' in the settings)",
    )
    parser.add_argument("--autonomous", action="store_const", dest="mode", const="autonomous", help="--mode autonomous")
    parser.add_argument("--dry-run", action="store_true", default=None, help="show what would change, change nothing")
    parser.add_argument("--dev", action="store_true", help="run bgpq4 in a container (podman or docker)")
    parser.add_argument("--separate", action="store_true", default=None, help="one folder of policy files a router")
    parser.add_argument("--max-workers", metavar="N", type=int, help="routers read at once (default: 5)")
    parser.add_argument("--no-resume", action="store_true", help="begin anew where the last run was killed")
    parser.add_argument("--json", action="store_true", help="the result as JSON")


def _add_connection(parser: argparse.ArgumentParser) -> None:
    text = "the routers: columns address, hostname (and platform, port, netconf_port)"
    parser.add_argument("--devices", "--devices-csv", dest="devices_option", metavar="FILE.csv", help=text)
    parser.add_argument("--ssh-username", metavar="NAME", help="user on the routers (default: bgp-read)")
    parser.add_argument("--ssh-key-path", metavar="FILE", help="private key (default: the agent's and the usual ones)")
    parser.add_argument(
        "--known-hosts", metavar="FILE", help="the routers' host keys (default: ~/.ssh/known_hosts); always checked"
    )
    parser.add_argument("--bgpq4-host", metavar="HOST[:PORT]", help="registry that bgpq4 asks (default: its own)")


def run(args: argparse.Namespace) -> int:
    """Run the action. 0: done; 1: the pipeline failed; errors of usage or configuration are raised (2)."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for name in ("headrace.engine", "headrace.bgp"):  # the report says the same
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    return int(args.handler(args))


def _state_dir(args: argparse.Namespace) -> Path:
    given = args.state_dir or _file_config(args).get("state_dir")
    return Path(given) if given else Path(args.output_dir) / "state"


def _switch(args: argparse.Namespace) -> HaltSwitch:
    from headrace.pipelines.bgp.guardrails import HaltSwitch

    given = _file_config(args).get("halt_file")
    return HaltSwitch(Path(given) if given else _state_dir(args) / "HALT")


def _file_config(args: argparse.Namespace) -> dict[str, Any]:
    path = getattr(args, "config", None)
    if path is None:
        return {}
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"settings {path}: {error.strerror or error}") from error
    value = _parsed(path, text)
    if not isinstance(value, dict):
        raise ConfigurationError(f"settings {path}: must be names and values, not {type(value).__name__}")
    return value


def _parsed(path: str, text: str) -> Any:
    if path.endswith((".yaml", ".yml")):
        import yaml

        try:
            return yaml.safe_load(text) or {}
        except yaml.YAMLError as error:
            raise ConfigurationError(f"settings {path}: not YAML: {str(error).splitlines()[0]}") from error
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"settings {path}: not JSON: {error}") from error


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """The file's settings, and over them those of the command line. A password comes from the environment."""
    given = {
        "ssh_username": args.ssh_username,
        "ssh_key_path": args.ssh_key_path,
        "known_hosts": args.known_hosts,
        "bgpq4_host": args.bgpq4_host,
        "ssh_password": os.environ.get("HEADRACE_SSH_PASSWORD"),
        "state_dir": args.state_dir,
        "mode": getattr(args, "mode", None),
        "dry_run": getattr(args, "dry_run", None),
        "separate_files": getattr(args, "separate", None),
        "parallel_workers": getattr(args, "max_workers", None),
        "bgpq4_mode": "dev" if getattr(args, "dev", False) else None,
    }
    settings = _file_config(args)
    if given["mode"] is not None:
        settings.pop("autonomous_mode", None)
    settings.update({name: value for name, value in given.items() if value is not None})
    key = settings.get("ssh_key_path")
    if isinstance(key, str) and not Path(key).expanduser().is_file():
        raise ConfigurationError(f"private key {key}: there is no such file")
    return settings


def _devices(args: argparse.Namespace) -> list[DeviceInfo]:
    from headrace.pipelines.bgp import load_devices_from_csv

    path = args.devices_option or getattr(args, "devices_csv", None)
    if path is None:
        raise ConfigurationError("which devices? Name a CSV file: headrace bgp run devices.csv")
    return load_devices_from_csv(path)


def _run(args: argparse.Namespace) -> int:
    from headrace.pipelines.bgp import WorkflowOrchestrator

    devices = _devices(args)
    orchestrator = WorkflowOrchestrator()
    result = orchestrator.execute_pipeline(
        devices,
        _settings(args),
        args.output_dir,
        resume=not args.no_resume,
        progress="auto" if sys.stderr.isatty() else False,
    )
    if args.json:
        print(json.dumps(result.to_dict(), indent=1))
    else:
        print(result.to_summary())
        for applied in result.application_results:
            if applied.outcome == "dry_run" and applied.diff:
                print(f"\n{applied.router} would change:\n{applied.diff}")
    return 0 if result.success else 1


def _pending(args: argparse.Namespace) -> int:
    from headrace.pipelines.bgp.approvals import ApprovalQueue

    waiting = ApprovalQueue(_state_dir(args) / "approvals").pending()
    for entry in waiting:
        print(f"{entry.id}  {entry.created_at}  {entry.kind} {entry.subject}  risk {entry.risk_level}  {entry.reason}")
        for line in entry.details.splitlines():
            print(f"    {line}")
    if not waiting:
        print("nothing waits for a decision")
    return 0


def _decide(args: argparse.Namespace) -> int:
    from headrace.pipelines.bgp.approvals import ApprovalQueue
    from headrace.pipelines.bgp.audit import AuditLog

    queue = ApprovalQueue(_state_dir(args) / "approvals")
    by = args.by or getpass.getuser()
    decide = queue.approve if args.action == "approve" else queue.reject
    entry = decide(args.id, by, args.note)
    AuditLog(_state_dir(args) / "audit.jsonl").record(entry.state, entry.subject, id=entry.id, by=by, note=args.note)
    print(f"{entry.kind} {entry.subject}: {entry.state} by {entry.decided_by}")
    if entry.state == "approved":
        print("the next 'headrace bgp run' goes on with it")
    return 0


def _rollback(args: argparse.Namespace) -> int:
    from headrace.pipelines.bgp import WorkflowOrchestrator

    found = [device for device in _devices(args) if device.hostname == args.router]
    if not found:
        raise ConfigurationError(f"router '{args.router}' is not among the devices")
    by = args.by or getpass.getuser()
    result = WorkflowOrchestrator().rollback(found[0], _settings(args), args.output_dir, by)
    print(f"{result.router}: {result.outcome}" + (f": {result.reason}" if result.reason else ""))
    if result.diff:
        print(result.diff)
    return 0 if result.success else 1


def _halt(args: argparse.Namespace) -> int:
    from headrace.pipelines.bgp.audit import AuditLog

    switch = _switch(args)
    by = args.by or getpass.getuser()
    switch.engage(f"{args.reason} ({by})")
    AuditLog(_state_dir(args) / "audit.jsonl").record("halted", "pipeline", by=by, reason=args.reason)
    print(f"stopped: nothing is applied while {switch.path} is there ('headrace bgp release' removes it)")
    return 0


def _release(args: argparse.Namespace) -> int:
    from headrace.pipelines.bgp.audit import AuditLog

    if not _switch(args).release():
        print("it was not stopped")
        return 0
    AuditLog(_state_dir(args) / "audit.jsonl").record("released", "pipeline", by=args.by or getpass.getuser())
    print("application is allowed again")
    return 0


def _forget(args: argparse.Namespace) -> int:
    from headrace.pipelines.bgp.asn import parse_as_number
    from headrace.pipelines.bgp.audit import AuditLog
    from headrace.pipelines.bgp.guardrails import LastGoodLists

    try:
        number = parse_as_number(args.as_number)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    path = _state_dir(args) / "last-good.db"
    if not LastGoodLists(path).forget(number):
        raise ConfigurationError(f"there is no last good list of AS{number} in {path}")
    AuditLog(_state_dir(args) / "audit.jsonl").record("forgotten", f"AS{number}", by=args.by or getpass.getuser())
    print(f"the last good list of AS{number} is forgotten: the next look-up is compared with nothing")
    return 0


def _tell_last_run(state_dir: Path) -> None:
    from headrace.pipelines.bgp.stages import known_runs

    runs = known_runs(state_dir / "runs.db")
    if not runs:
        print("no run yet")
        return
    report = runs[0].progress()
    print(f"run {runs[0].id}: {runs[0].status}, {report.done} of {report.total} units in {report.elapsed:.1f} s")
    outcomes: Counter[str] = Counter()
    for stage in runs[0].stages:
        if stage.name.startswith("application_"):
            outcomes.update(applied["outcome"] for applied in runs[0].results(stage.name).values())
        if stage.name.startswith("wave_") or not stage.executed + stage.skipped + stage.failed:
            continue
        counts = f"{stage.executed} executed, {stage.skipped} skipped, {stage.failed} failed"
        print(f"  {stage.name:16} {stage.status:10} {counts}")
    if outcomes:
        print("routers: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))


def _status(args: argparse.Namespace) -> int:
    from headrace.pipelines.bgp.approvals import ApprovalQueue
    from headrace.pipelines.bgp.wording import counted

    state_dir = _state_dir(args)
    _tell_last_run(state_dir)
    if (reason := _switch(args).reason()) is not None:
        print(f"{reason} ('headrace bgp release' allows changes again)")
    if waiting := len(ApprovalQueue(state_dir / "approvals").pending()):
        print(f"{counted(waiting, 'decision')} to make: headrace bgp pending")
    if mails := len(list((state_dir / "mail").glob("*-*.json"))):
        print(f"{counted(mails, 'mail')} not sent yet: headrace bgp mail")
    return 0


def _audit(args: argparse.Namespace) -> int:
    from headrace.pipelines.bgp.audit import AuditLog

    for entry in AuditLog(_state_dir(args) / "audit.jsonl").entries():
        details = ", ".join(
            f"{name}={str(value).splitlines()[0][:60] if value else value}" for name, value in entry["details"].items()
        )
        print(f"{entry['at']}  {entry['subject']}  {entry['event']}  {details}")
    return 0


def _mail(args: argparse.Namespace) -> int:
    from headrace.connectors.smtp import MailQueue, MailServer

    server = MailServer.from_config(_file_config(args).get("email") or {})
    queue = MailQueue(_state_dir(args) / "mail", server)
    sent = queue.flush(patient=False)
    left = queue.pending()
    print(f"{sent} sent, {len(left)} wait")
    for mail in left[:3]:
        print(f"  {mail.error}")
    return 1 if left else 0
