import ipaddress
import re
import subprocess

import pytest
import redis
import yaml
from compose_spec import PyCompose

from gateway import __version__
from gateway.settings import KINDS, _is_secret, load_settings, variables
from gateway.store.valkey_server import server_binary
from tests.deploy.documents import DEPLOY, PINNED, STOPS_WITHIN_S, bytes_of, load

TEXT = (DEPLOY / "compose.yaml").read_text()
COMPOSE = load("compose.yaml")
SERVICES = COMPOSE["services"]


def filled(value):
    """Fill in what Compose does where none of the variables is set: in texts, once the file is parsed."""
    if isinstance(value, dict):
        return {name: filled(each) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each) for each in value]
    return re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value) if isinstance(value, str) else value


def judge(text):
    """Read a file by the rules of the specification; raises ValueError."""
    return PyCompose.from_yaml(yaml.safe_dump(filled(yaml.safe_load(text))))


FILLED = filled(SERVICES)


def test_it_is_what_the_specification_allows():
    assert sorted(judge(TEXT).service_names()) == sorted(SERVICES)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("stop_grace_period:", "stop_grace:"),
        ("650s", "650 seconds"),
        ("condition: service_healthy", "condition: healthy"),
        ("read_only: true", 'read_only: "true"'),
        ("memory: 2g", "memory: 2 gigabytes"),
        ("test: [CMD,", "test: [COMMAND,"),
    ],
)
def test_the_specification_is_strict(right, wrong):
    """The judge of the test above does judge."""
    assert right in TEXT
    with pytest.raises(ValueError, match=r"services\."):
        judge(TEXT.replace(right, wrong))


def test_every_name_is_of_something():
    """The judge does not look whether a network, a volume or a service exists."""
    for service in SERVICES.values():
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", {})) <= set(SERVICES)
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {name for name in used if not name.startswith(".")} == set(COMPOSE["volumes"])


def test_every_path_that_is_mounted_is_there():
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    paths = [path for path in mounted if path.startswith(".")]
    assert len(paths) >= 3
    assert [path for path in paths if not (DEPLOY / path).exists()] == []


def test_every_image_is_pinned():
    """And the gateway's own is this version."""
    images = [service["image"] for service in SERVICES.values()]
    assert [image for image in images if not PINNED.fullmatch(image)] == []
    assert SERVICES["gateway"]["image"] == f"image-gateway:{__version__}"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_bounded_and_restarted(name):
    """It has a check of its health, a limit of memory, and no way to more privileges."""
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"]
    assert bytes_of(service["deploy"]["resources"]["limits"]["memory"])
    assert "no-new-privileges:true" in service["security_opt"]


def test_the_gateway_may_finish_what_is_paid_for():
    assert float(SERVICES["gateway"]["stop_grace_period"].removesuffix("s")) > STOPS_WITHIN_S


def test_the_stores_stop_after_the_gateway():
    """Compose stops what others depend on last."""
    waited_for = SERVICES["gateway"]["depends_on"]
    assert waited_for == {name: {"condition": "service_healthy"} for name in ("state", "blobs")}


def test_its_variables_are_settings():
    """The gateway takes every one of them, with its value."""
    settings = load_settings({name: str(value) for name, value in FILLED["gateway"]["environment"].items()})
    assert settings.redis.url == "redis://state:6379/0"
    assert settings.blobs.url == "redis://blobs:6379/0"
    assert settings.upstream.api_key == ""
    assert settings.metrics.host == "0.0.0.0"


def test_no_secret_is_in_the_file():
    """Each comes from outside, but for the addresses of stores that have no password."""
    secret = {name for key, kind in KINDS.items() if _is_secret(kind) for name in variables(key)}
    for name, value in SERVICES["gateway"]["environment"].items():
        if name in secret:
            assert value == f"${{{name}:-}}" or re.fullmatch(r"redis://\w+:6379/0", value), name
    named = {name for service in SERVICES.values() for name in service.get("environment", {})} - secret
    assert [name for name in named if re.search("PASSWORD|SECRET|TOKEN|KEY", name)] == []


def test_only_this_machine_reaches_what_is_published():
    published = {name: service["ports"] for name, service in FILLED.items() if "ports" in service}
    assert set(published) == {"gateway", "grafana"}
    for [port] in published.values():
        assert ipaddress.ip_address(port.split(":")[0]).is_loopback


def test_only_the_gateway_reaches_the_stores():
    """They have no password."""
    assert COMPOSE["networks"]["stores"] == {"internal": True}
    assert SERVICES["state"]["networks"] == SERVICES["blobs"]["networks"] == ["stores"]
    assert [name for name, service in SERVICES.items() if "stores" in service["networks"]] == [
        "gateway",
        "state",
        "blobs",
    ]


def configured(name, tmp_path):
    """Start a real Valkey with the options of a service, and tell how it then is configured."""
    command, *options = SERVICES[name]["command"]
    assert command == "valkey-server"
    path = tmp_path / "valkey.sock"
    here = ["--port", "0", "--unixsocket", str(path), "--dir", str(tmp_path)]
    with subprocess.Popen([server_binary(), *options, *here], stdout=subprocess.PIPE, text=True) as server:
        try:
            said = []
            while not said or "eady to accept connections" not in said[-1]:
                said.append(server.stdout.readline())
                assert said[-1], "".join(said)
            with redis.Redis(unix_socket_path=str(path), decode_responses=True) as client:
                return client.config_get("*")
        finally:
            server.terminate()
            server.stdout.read()


def test_the_state_is_written_down_and_never_evicted(tmp_path):
    """Its file may be rewritten within the limit of memory."""
    found = configured("state", tmp_path)
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
    assert {name: found[name] for name in wanted} == wanted
    limit = bytes_of(SERVICES["state"]["deploy"]["resources"]["limits"]["memory"])
    assert 0 < 2 * int(found["maxmemory"]) <= limit


def test_pictures_make_room_for_each_other(tmp_path):
    """Nothing of them is written to disk."""
    found = configured("blobs", tmp_path)
    wanted = {"appendonly": "no", "save": "", "maxmemory-policy": "allkeys-lru"}
    assert {name: found[name] for name in wanted} == wanted
    assert 0 < int(found["maxmemory"]) < bytes_of(SERVICES["blobs"]["deploy"]["resources"]["limits"]["memory"])


def test_the_dashboards_need_no_password_and_show_nothing_but_themselves():
    """Grafana's well-known first password opens nothing, since nobody can log in."""
    environment = SERVICES["grafana"]["environment"]
    wanted = {
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        "GF_AUTH_BASIC_ENABLED": "false",
    }
    assert {name: environment[name] for name in wanted} == wanted
