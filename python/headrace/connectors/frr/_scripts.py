"""What runs on the router, in POSIX sh. The state of a commit is a file that is renamed, so every step happens once.

``pending`` becomes either ``confirmed`` or ``rolling`` and then ``rolled_back``: whoever renames it first decides.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

__all__ = ["CHUNK", "cancel", "commit", "confirm", "lock", "prelude", "rollback_files", "state", "unlock", "upload"]

CHUNK = 60_000
"""Bytes of text in one command: below what a kernel takes as one argument."""

HELD, TWICE, REFUSED, NOT_PENDING, CHANGED = 75, 76, 77, 78, 79
"""Exit codes: locked by others, committed before, refused by FRR, not pending, changed by others."""


def prelude(folder: str, vtysh: str) -> str:
    """Return the first lines of every script: strict mode, the folder ``$D``, the functions used below."""
    stop = 'pid=$(cat watchdog.pid 2>/dev/null || true); if [ -n "$pid" ]; then kill -- "-$pid" 2>/dev/null || true; fi'
    return (
        f'set -eu; umask 077; D={shlex.quote(folder)}; mkdir -p "$D"\n'
        f'vty() {{ {vtysh} "$@"; }}\nstop_watchdog() {{ {stop}; }}\n'
    )


def lock(owner: str, seconds: int, over: str = "") -> str:
    """Take the lock, or renew it. A lock that its owner did not renew in time is free, as is one of ``over``."""
    return f"""exec 9>"$D/guard"; flock -w 10 9; now=$(date +%s)
if [ -s "$D/lock" ]; then
  read -r owner until < "$D/lock"
  if [ "$owner" != {owner} ] && [ "$owner" != "{over}" ] && [ "$until" -gt "$now" ]; then
    echo "$owner holds it for up to $((until - now)) s" >&2; exit {HELD}
  fi
fi
echo "{owner} $((now + {seconds}))" > "$D/lock"
"""


def unlock(owner: str) -> str:
    """Give the lock back, if it is still ours."""
    return f"""exec 9>"$D/guard"; flock -w 10 9
if [ -s "$D/lock" ]; then read -r owner until < "$D/lock"; if [ "$owner" = {owner} ]; then rm -f "$D/lock"; fi; fi
"""


def upload(path: str, text: str) -> Iterator[str]:
    """Yield the commands that write ``text`` into ``$D/path``."""
    yield f'mkdir -p "$(dirname "$D/{path}")"; : > "$D/{path}"\n'
    lines: list[str] = []
    size = 0
    for line in text.splitlines():
        lines.append(line)
        size += len(line) + 1
        if size > CHUNK:
            yield _append(path, lines)
            lines, size = [], 0
    if lines:
        yield _append(path, lines)


def _append(path: str, lines: list[str]) -> str:
    return f"cat >> \"$D/{path}\" <<'HEADRACE-END'\n" + "\n".join(lines) + "\nHEADRACE-END\n"


def rollback_files(seconds: int, folder: str, vtysh: str) -> dict[str, str]:
    """Return the scripts that stay on the router: the roll back, and the watchdog that waits for its time."""
    rollback = (
        prelude(folder, vtysh)
        + """cd "$(dirname "$0")"; mv pending rolling 2>/dev/null || exit 0
exec 8> applying; flock 8
vty -f rollback.conf > rollback.log 2>&1 || true
vty -c 'clear bgp * soft in' >> rollback.log 2>&1 || true
grep -F -f names before.conf | sort > wanted || true
vty -c 'show running-config' 2>> rollback.log | grep -F -f names | sort > found || true
if cmp -s wanted found; then mv rolling rolled_back; else mv rolling roll_back_failed; fi
"""
    )
    watchdog = f'cd "$(dirname "$0")"; echo $$ > watchdog.pid; sleep {seconds}; exec sh ./rollback.sh\n'
    return {"rollback.sh": rollback, "watchdog.sh": watchdog}


def commit(token: str, base: str) -> str:
    """Apply, with the watchdog running before the first change; a roll back waits until FRR has taken all of it.

    ``base``: SHA-256 of the configuration that was read.
    """
    return f"""cd "$D/{token}"
for s in pending rolling rolled_back roll_back_failed confirmed; do if [ -e $s ]; then exit {TWICE}; fi; done
vty -c 'show running-config' > before.conf 2>/dev/null
if [ "$(sha256sum < before.conf | cut -c1-64)" != {base} ]; then exit {CHANGED}; fi
cat /proc/sys/kernel/random/boot_id > boot; : > pending; sync
setsid nohup sh ./watchdog.sh > /dev/null 2>&1 < /dev/null &
while [ ! -s watchdog.pid ]; do sleep 0.02; done
exec 8> applying; flock 8
code=0; vty -f apply.conf > apply.log 2>&1 || code=$?
exec 8>&-
if [ $code != 0 ]; then sh ./rollback.sh; stop_watchdog; cat apply.log >&2; exit {REFUSED}; fi
vty -c 'clear bgp * soft in' > /dev/null
cd "$D"; ls -1td */ 2>/dev/null | tail -n +21 | while read -r old; do rm -rf "./$old"; done
"""


def confirm(token: str) -> str:
    """Decide for good, stop the watchdog, save the configuration. Again where only the saving is missing."""
    return f"""cd "$D/{token}" 2>/dev/null || exit {NOT_PENDING}
mv pending confirmed 2>/dev/null || true
if [ ! -e confirmed ]; then exit {NOT_PENDING}; fi
stop_watchdog
vty -c 'write memory' > save.log 2>&1 || {{ cat save.log >&2; exit {REFUSED}; }}
: > saved
"""


def cancel(token: str) -> str:
    """Roll back now."""
    return f"""cd "$D/{token}" 2>/dev/null || exit 0
sh ./rollback.sh
stop_watchdog
"""


def state(token: str) -> str:
    """Print what became of the commit, in one word."""
    return f"""cd "$D/{token}" 2>/dev/null || {{ echo absent; exit 0; }}
for s in rolled_back roll_back_failed rolling; do if [ -e $s ]; then echo $s; exit 0; fi; done
if [ -e confirmed ]; then if [ -e saved ]; then echo confirmed; else echo unsaved; fi; exit 0; fi
if [ ! -e pending ]; then echo absent; exit 0; fi
if [ "$(cat boot)" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then echo pending; else echo rebooted; fi
"""
