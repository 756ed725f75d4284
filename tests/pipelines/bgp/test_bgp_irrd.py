"""The pipeline with bgpq4 and the real IRRd, on PostgreSQL and Redis."""

from __future__ import annotations

from pathlib import Path

from servers.irrd import irrd

from .conftest import Net

ROUTES = {3333: ["193.0.0.0/21", "193.0.10.0/23", "2001:67c:2e8::/48"], 1299: ["62.115.0.0/16"]}


def test_policies_out_of_a_real_registry(net: Net, tmp_path: Path) -> None:
    net.router(1, (3333, 1299))
    net.router(2, (1299, 174))
    with irrd(tmp_path / "irrd", ROUTES) as host:
        result = net.run(net.config(bgpq4_host=host, bgpq4_sources=["TESTDB"]))
    assert result.success, result.to_summary()
    found = {policy.as_number: (policy.status, policy.prefixes) for policy in result.policy_results}
    assert found == {
        174: ("empty", ()),
        1299: ("ok", ("62.115.0.0/16",)),
        3333: ("ok", ("193.0.0.0/21", "193.0.10.0/23", "2001:67c:2e8::/48")),
    }
    assert any("174 (empty: the registry knows no routes of this AS" in warning for warning in result.warnings)
