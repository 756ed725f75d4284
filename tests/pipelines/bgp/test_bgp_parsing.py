from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.pipelines.bgp.asn import AsKind, classify, parse_as_number, to_asdot
from headrace.pipelines.bgp.errors import IncompleteConfigurationError
from headrace.pipelines.bgp.models import DiscoveryResult, RouterProfile
from headrace.pipelines.bgp.parsing import RouterInspector, detect_format, redact_secrets

FIXTURES = Path(__file__).parent / "fixtures"


def inspect(text: str) -> DiscoveryResult:
    return RouterInspector().inspect_router(RouterProfile("r1", bgp_config=text))


def fixture(name: str) -> str:
    return (FIXTURES / name).read_text()


@pytest.mark.parametrize("name", ["junos_curly.conf", "junos_set.conf"])
def test_both_junos_forms_give_the_same_peers(name: str) -> None:
    found = inspect(fixture(name))
    assert found.as_numbers == (1299, 3356, 65001, 4 * 65536 + 34464, 4200000001)
    assert found.local_as == (64500,)
    groups = {(g.instance, g.name): g for g in found.bgp_groups}
    assert list(groups) == [
        ("default", "IBGP"),
        ("default", "TRANSIT"),
        ("default", "PEERS-V6"),
        ("CUSTOMER-A", "CE"),
    ]
    assert groups["default", "IBGP"].as_numbers == ()
    assert groups["default", "TRANSIT"].peer_as == 3356
    assert groups["default", "TRANSIT"].as_numbers == (1299, 3356)
    assert [n.address for n in groups["default", "PEERS-V6"].neighbors] == ["2001:db8::1", "2001:db8::2"]
    assert groups["CUSTOMER-A", "CE"].as_numbers == (65001,)


def test_both_junos_forms_give_equal_results() -> None:
    assert inspect(fixture("junos_curly.conf")) == inspect(fixture("junos_set.conf"))


def test_numbers_that_are_no_peers_are_left_out() -> None:
    numbers = inspect(fixture("junos_curly.conf")).as_numbers
    assert not {174, 9999, 7018, 65000, 64500} & set(numbers)


def test_frr_peers_groups_and_vrf() -> None:
    found = inspect(fixture("frr.conf"))
    assert found.as_numbers == (3333, 3356, 13335, 65010, 4200000001)
    assert found.local_as == (64500,)
    groups = {(g.instance, g.name, g.type): g for g in found.bgp_groups}
    assert groups["default", "TRANSIT", "external"].as_numbers == (3356,)
    assert groups["default", "TRANSIT", "external"].neighbors[0].prefix_lists == ("AS3356",)
    assert groups["default", "IX", "external"].as_numbers == (13335, 4200000001)
    assert groups["default", "CORE", "internal"].as_numbers == ()
    assert groups["default", "ungrouped", "internal"].neighbors[0].address == "192.0.2.9"
    assert groups["default", "ungrouped", "external"].neighbors[0].prefix_lists == ("AS3333",)
    assert groups["BLUE", "ungrouped", "external"].as_numbers == (65010,)
    assert found.warnings == ("neighbor eth0: its AS number is not in the configuration",)


def test_relative_bgp_hierarchy_is_understood() -> None:
    assert inspect("group EXT {\n    peer-as 3333;\n    neighbor 192.0.2.1;\n}\n").as_numbers == (3333,)
    assert inspect("bgp {\n group EXT {\n neighbor 192.0.2.1 {\n peer-as 3334;\n }\n }\n}\n").as_numbers == (3334,)


def test_group_without_type_whose_peers_are_ourselves_is_internal() -> None:
    text = "routing-options { autonomous-system 64500; }\nprotocols { bgp { group X { peer-as 64500; } } }\n"
    assert inspect(text).as_numbers == ()


def test_wrong_number_is_a_warning_and_the_rest_is_read() -> None:
    found = inspect("set protocols bgp group A peer-as 99999999999\nset protocols bgp group B peer-as 3333\n")
    assert found.as_numbers == (3333,)
    assert "99999999999" in found.warnings[0]


@pytest.mark.parametrize("name", ["junos_curly.conf", "frr.conf"])
def test_no_truncation_passes_for_a_whole_configuration(name: str) -> None:
    text = fixture(name).replace("\n{master}\n", "")
    whole = inspect(text)
    ends_late = len(text.rstrip()) - 1
    for cut in range(len(text) // 3, ends_late, 7):
        try:
            found = inspect(text[:cut])
        except IncompleteConfigurationError:
            continue
        # Only between two top-level Junos blocks is a prefix a whole configuration by itself.
        assert name == "junos_curly.conf"
        assert text[:cut].rstrip().endswith(("}", ";"))
        assert set(found.as_numbers) <= set(whole.as_numbers)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("\x00\x01\x02ELF", "binary"),
        ("caf\ufffd { }", "binary"),
        ("error: syntax error\n", "refused"),
        ("% Unknown command.\n", "refused"),
        ("Welcome to this fine router\n", "no configuration"),
        ('group X {\n description "never ends;\n}\n', "cut off"),
        ("group X {\n}\n}\n", "closes nothing"),
    ],
)
def test_what_is_no_configuration_is_refused(text: str, reason: str) -> None:
    with pytest.raises(IncompleteConfigurationError, match=reason):
        inspect(text)


def test_formats_are_told_apart() -> None:
    names = {name: detect_format(fixture(name)) for name in ("junos_curly.conf", "junos_set.conf", "frr.conf")}
    assert list(names.values()) == ["junos-curly", "junos-set", "frr"]


@pytest.mark.parametrize("name", ["junos_curly.conf", "junos_set.conf", "frr.conf"])
def test_redaction_removes_secrets_and_keeps_the_structure(name: str) -> None:
    clean = redact_secrets(fixture(name))
    assert "$9$abc" not in clean
    assert "s3cr3t" not in clean
    assert inspect(clean) == inspect(fixture(name))


@given(st.text(alphabet=st.sampled_from('{};[]"#/* \nabgroup1'), max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        inspect("group A {\n" + text + "\n}\n")
    except IncompleteConfigurationError:
        return


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("65001", 65001),
        ("AS65001", 65001),
        ("as3333", 3333),
        ("1.0", 65536),
        ("AS65535.65535", 2**32 - 1),
        ("4294967295", 2**32 - 1),
        (7, 7),
    ],
)
def test_every_notation_of_an_as_number(text: str | int, number: int) -> None:
    assert parse_as_number(text) == number


@pytest.mark.parametrize("text", ["", "AS", "4294967296", "1.65536", "65536.0", "-1", "1e3", "٣", "1.2.3", True, None])
def test_what_is_no_as_number(text: object) -> None:
    with pytest.raises(ValueError, match="not an AS number"):
        parse_as_number(text)  # type: ignore[arg-type]


@given(st.integers(0, 2**32 - 1))
def test_asdot_round_trip(number: int) -> None:
    assert parse_as_number(to_asdot(number)) == number
    assert parse_as_number(f"AS{number}") == number


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (0, AsKind.RESERVED),
        (1, AsKind.PUBLIC),
        (23456, AsKind.RESERVED),
        (64495, AsKind.PUBLIC),
        (64496, AsKind.DOCUMENTATION),
        (64511, AsKind.DOCUMENTATION),
        (64512, AsKind.PRIVATE),
        (65534, AsKind.PRIVATE),
        (65535, AsKind.RESERVED),
        (65536, AsKind.DOCUMENTATION),
        (65551, AsKind.DOCUMENTATION),
        (65552, AsKind.RESERVED),
        (131071, AsKind.RESERVED),
        (131072, AsKind.PUBLIC),
        (4199999999, AsKind.PUBLIC),
        (4200000000, AsKind.PRIVATE),
        (4294967294, AsKind.PRIVATE),
        (4294967295, AsKind.RESERVED),
    ],
)
def test_ranges_are_told_apart_at_their_edges(number: int, kind: AsKind) -> None:
    assert classify(number) is kind
