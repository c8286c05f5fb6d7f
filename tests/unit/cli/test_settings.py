"""Options come from flags, variables and defaults, in this order, and mistakes are one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from influxops import settings as module
from influxops.settings import PREFIX, ConfigError, Settings, load, split_address


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)


def test_defaults() -> None:
    """What users get who set nothing."""
    settings = load()
    assert settings.clusterwide
    assert (settings.workers, settings.status_writes_per_second, settings.relist_seconds) == (32, 50, 600)
    assert settings.status_interval == 30
    assert (settings.log_format, settings.log_level) == ("console", "info")
    assert settings.probe_host_port == ("0.0.0.0", 8080)


def test_a_flag_beats_a_variable_and_a_variable_beats_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag that is not given arrives as None and does not count."""
    monkeypatch.setenv("INFLUXOPS_WORKERS", "5")
    monkeypatch.setenv("INFLUXOPS_LOG_FORMAT", "json")
    settings = load({"workers": "7", "log_format": None})
    assert (settings.workers, settings.log_format) == (7, "json")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests often set empty ones."""
    monkeypatch.setenv("INFLUXOPS_WORKERS", "")
    assert load().workers == 32


def test_namespaces_are_a_comma_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks and doubles do no harm."""
    monkeypatch.setenv("INFLUXOPS_NAMESPACES", " team-a, team-b,,team-a ")
    monkeypatch.setenv("INFLUXOPS_INSTANCE_ID", "prod")
    settings = load()
    assert settings.namespaces == ("team-a", "team-b")
    assert not settings.clusterwide


def test_kubeconfig_comes_from_the_usual_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours wins over it."""
    monkeypatch.setenv("KUBECONFIG", "/a")
    assert load().kubeconfig == "/a"
    monkeypatch.setenv("INFLUXOPS_KUBECONFIG", "/b")
    assert load().kubeconfig == "/b"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"namespaces": "a"}, "--namespaces needs --instance-id (or INFLUXOPS_INSTANCE_ID)"),
        ({"namespaces": "A", "instance_id": "x"}, "--namespaces (or INFLUXOPS_NAMESPACES): 'A' is not the name"),
        ({"instance_id": "a b"}, "--instance-id (or INFLUXOPS_INSTANCE_ID): 'a b' is not an instance id"),
        ({"workers": "0"}, "--workers (or INFLUXOPS_WORKERS): '0': input should be greater than or equal to 1"),
        ({"workers": "many"}, "--workers (or INFLUXOPS_WORKERS): 'many': input should be a valid integer"),
        ({"log_format": "xml"}, "--log-format (or INFLUXOPS_LOG_FORMAT): 'xml': input should be 'console' or 'json'"),
        ({"probe_address": "8080"}, "'8080' is not an address; write host:port"),
        ({"lease_duration": 5}, "--lease-duration must be longer than --lease-renew-deadline"),
        ({"lease_name": "A"}, "'A' is not the name of a Lease"),
        (
            {"shard": "Team_A"},
            "--shard (or INFLUXOPS_SHARD): 'Team_A' is not the name of a shard; write 1 to 63 lower case",
        ),
        ({"shard": "a", "leader_elect": "false"}, "--shard needs the Lease"),
        ({"unhealthy_after": 10}, "--unhealthy-after must not be shorter than --unready-after"),
        ({"worker": 1}, "--worker: there is no such option"),
    ],
)
def test_a_mistake_is_one_sentence_with_option_fault_and_remedy(flags: dict[str, object], message: str) -> None:
    """No traceback, no link to a library's pages."""
    with pytest.raises(ConfigError) as caught:
        load(flags)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":80", ("", 80)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:8080", ("::1", 8080)),
        ("localhost:1", ("localhost", 1)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    """As Go programs take them."""
    assert split_address(text) == expected


@pytest.mark.parametrize("text", ["", "80", "host:", "host:x", "::1:80", "h:70000", "h:-1", "h:\u0661"])
def test_no_addresses(text: str) -> None:
    """An IPv6 address needs its brackets."""
    with pytest.raises(ValueError, match="write host:port"):
        split_address(text)


def test_the_lease_lives_beside_the_pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unless told otherwise; outside a cluster in namespace default."""
    monkeypatch.setattr(module, "POD_NAMESPACE", tmp_path / "namespace")
    assert load().own_namespace() == "default"
    (tmp_path / "namespace").write_text("influxops-system\n")
    assert load().own_namespace() == "influxops-system"
    assert load({"lease_namespace": "other"}).own_namespace() == "other"


@pytest.mark.parametrize(
    ("shard", "name", "lease"),
    [("", "default", "influxops"), ("default", "default", "influxops"), ("team-a", "team-a", "influxops-team-a")],
)
def test_each_shard_has_a_lease(shard: str, name: str, lease: str) -> None:
    """The default one that of versions without shards."""
    settings = load({"shard": shard})
    assert settings.shard_name == name
    assert settings.lease_of(settings.shard_name) == lease


def test_every_option_is_described() -> None:
    """The description is the help of the flag."""
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
