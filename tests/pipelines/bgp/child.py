"""Runs the pipeline in a process of its own, to be killed: python child.py JOB_FILE; prints the result as JSON."""

from __future__ import annotations

import json
import sys
import warnings

warnings.simplefilter("ignore")

from headrace.pipelines.bgp import DeviceInfo, WorkflowOrchestrator  # noqa: E402


def main() -> None:
    with open(sys.argv[1]) as file:
        job = json.load(file)
    devices = [DeviceInfo(**device) for device in job["devices"]]
    result = WorkflowOrchestrator().execute_pipeline(devices, job["config"], job["output_dir"])
    print(json.dumps(result.to_dict()))


if __name__ == "__main__":
    main()
