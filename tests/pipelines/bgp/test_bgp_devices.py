from __future__ import annotations

from pathlib import Path

import pytest

import headrace as hr
from headrace.pipelines.bgp.devices import load_devices_from_csv
from headrace.pipelines.bgp.errors import ConfigurationError, PipelineExecutionError, StageExecutionError
from headrace.pipelines.bgp.models import DeviceInfo, PipelineContext


def write(folder: Path, text: str) -> Path:
    path = folder / "devices.csv"
    path.write_bytes(text.encode())
    return path


def test_devices_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path, "\ufeffHostname, Address ,platform,port,site\r\nr1,192.0.2.1,,,a\r\n\r\nr2,2001:db8::1,FRR,2200,b\r\n"
    )
    assert load_devices_from_csv(path) == [
        DeviceInfo("192.0.2.1", "r1"),
        DeviceInfo("2001:db8::1", "r2", platform="frr", port=2200),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; its first line must be 'address,hostname'"),
        ("hostname\nr1\n", "column 'address' is missing; the header has: hostname"),
        ("address,name\n192.0.2.1,r1\n", "column 'hostname' is missing; the header has: address, name"),
        ("address,hostname,address\n1,2,3\n", "column 'address' is there 2 times"),
        ("address,hostname\n", "no devices"),
        ("address,hostname\n192.0.2.1,r1\n192.0.2.2,R1\n", "host 'R1' is there twice"),
        ("address,hostname\n192.0.2.1,r1\n192.0.2.1,r2\n", "'r2' and 'r1' share the address 192.0.2.1"),
        ("address,hostname\n2001:db8::1,r1\n2001:DB8:0::1,r2\n", "share the address"),
        ("address,hostname\n192.0.2.256,r1\n", "line 2: device 'r1': '192.0.2.256' is not an IP address"),
        ("address,hostname\n192.0.2.1,r1\nrouter,r2\n", "line 3: device 'r2': 'router' is not an IP address"),
        ("address,hostname\n192.0.2.1\n", "line 2: 'hostname' is empty"),
        ("address,hostname\n,r1\n", "line 2: 'address' is empty"),
        ("address,hostname\n192.0.2.1,../../etc\n", "'../../etc' is not a host name"),
        ("address,hostname\n192.0.2.1,r1,surprise\n", "line 2: more fields than the header"),
        ("address,hostname,port\n192.0.2.1,r1,ssh\n", "port 'ssh' is not a number"),
        ("address,hostname,port\n192.0.2.1,r1,70000\n", "port 70000 is not 1 to 65535"),
        ("address,hostname,platform\n192.0.2.1,r1,ios\n", "platform 'ios' is not one of junos, frr, netconf"),
        ('address,hostname\n"192.0.2.1,r1\n', "not CSV"),
    ],
)
def test_wrong_file_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_devices_from_csv(write(tmp_path, text))
    assert message in str(caught.value)
    assert "devices.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        load_devices_from_csv(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00address")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_devices_from_csv(tmp_path / "binary.csv")


def test_errors_are_in_both_trees() -> None:
    assert issubclass(ConfigurationError, (PipelineExecutionError,))
    assert issubclass(ConfigurationError, hr.ConfigurationError)
    assert issubclass(PipelineExecutionError, hr.PipelineError)
    cause = OSError("no")
    error = StageExecutionError("collection", "nothing came", cause)
    assert (error.stage, error.original_error) == ("collection", cause)
    assert str(error) == "Stage 'collection' failed: nothing came"


def test_context_is_immutable_all_through() -> None:
    device = DeviceInfo("192.0.2.1", "r1")
    context = PipelineContext(devices=[device], config={"a": 1})
    assert context.devices == (device,)
    with pytest.raises(TypeError):
        context.config["a"] = 2  # type: ignore[index]
    later = context.but(warnings=["w1"], stage_timings={"collection": 1.0})
    latest = later.but(warnings=["w2"], stage_timings={"discovery": 2.0}, current_stage="discovery_complete")
    assert (context.warnings, latest.warnings) == ((), ("w1", "w2"))
    assert dict(latest.stage_timings) == {"collection": 1.0, "discovery": 2.0}
    assert latest.execution_id == context.execution_id
