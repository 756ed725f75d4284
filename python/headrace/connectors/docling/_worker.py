"""The child process that converts: one document after another, from its standard input to its standard output.

Once the parsers are loaded it says so in a line of its own. A request is a line of JSON (name, size of the document,
limits) and the document; an answer is a line of JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import logging
import os
import resource
import signal
import sys
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from headrace.connectors.docling._convert import convert, load_parser
from headrace.connectors.docling._result import ConversionError

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serves requests until the input ends."""
    _die_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a parser prints is no answer
    with contextlib.suppress(ImportError):
        load_parser()
    _limit_memory(int(sys.argv[2]))
    _answer(answers, {"ready": True})
    while line := requests.readline():
        request = json.loads(line)
        _answer(answers, _serve(request, requests.read(request["size"])))


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before we could ask
        os._exit(1)


def _limit_memory(most: int) -> None:
    """From here on the process gets ``most`` bytes more than it has; what asks for more is refused."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    used = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + most, used + most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _serve(request: dict[str, Any], data: bytes) -> dict[str, Any]:
    try:
        return {
            "converted": dataclasses.asdict(
                convert(request["name"], data, request["max_unpacked"], request["artifacts"])
            )
        }
    except MemoryError:
        return {"error": "memory", "message": ""}
    except ConversionError as error:
        return {"error": "conversion", "message": str(error)}
    except ImportError as error:
        return {"error": "import", "message": str(error.name)}
    except RecursionError:
        return {"error": "conversion", "message": "it is nested too deeply"}
    except Exception as error:
        return {"error": "conversion", "message": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}


def _answer(answers: BinaryIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
