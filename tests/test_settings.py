"""Settings: where values come from, what each fault says, and that secrets do not show."""

import re
import tomllib

import msgspec
import pytest

from gateway.settings import KINDS, Settings, SettingsError, load_settings, shipped, variables


def fault(environ, flags=None):
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, flags)
    return str(caught.value)


@pytest.fixture
def config(tmp_path):
    """Write a user's own file and return the environment that names it."""

    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return {"GATEWAY_CONFIG": str(path)}

    return write


def test_the_shipped_file_holds_every_setting():
    """Without any environment the shipped file alone makes complete settings."""
    settings = load_settings({})

    assert settings.server.port == 8080
    assert settings.upstream.base_url == "https://aihubmix.com"
    assert settings.images.aliases == {}


def test_every_setting_is_explained_above_its_key():
    """Each key stands below its variable, its unit and one sentence."""
    section, comment, seen = "", [], set()
    for line in shipped("gateway.toml").read_text().splitlines():
        if line.startswith("#"):
            comment.append(line)
            continue
        if heading := re.fullmatch(r"\[([\w.]+)\]", line):
            section = heading[1]
        name = line.partition("=")[0].strip()
        key = section if section in KINDS else f"{section}.{name}"
        if key in KINDS and key not in seen:
            seen.add(key)
            variable = variables(key)[0]
            secret = f" (or {variable}_FILE)" if f"{variable}_FILE" in variables(key) else ""
            assert re.match(rf"# {variable}{re.escape(secret)} · \w", comment[0]), key
            assert re.fullmatch(r"[A-Z].*\.", " ".join(text.removeprefix("# ") for text in comment[1:])), key
        comment = []

    assert set(KINDS) == seen


def test_later_sources_win(config):
    """A flag beats the environment, which beats the user's file, which beats the shipped one."""
    environ = config("[server]\nport = 1\nworkers = 2\nhost = 'a'\n") | {
        "GATEWAY_SERVER_PORT": "2",
        "GATEWAY_SERVER_WORKERS": "3",
    }

    server = load_settings(environ, {"server.port": 3}).server

    assert (server.port, server.workers, server.host) == (3, 3, "a")


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("AIHUBMIX_API_KEY", "sk-1", "upstream.api_key", "sk-1"),
        ("GATEWAY_UPSTREAM_API_KEY", "sk-1", "upstream.api_key", "sk-1"),
        ("AIHUBMIX_BASE_URL", "http://127.0.0.1:1/", "upstream.base_url", "http://127.0.0.1:1"),
        ("REDIS_URL", "rediss://:p@h:1/0", "redis.url", "rediss://:p@h:1/0"),
        ("REDIS_URL", "redis+cluster://h:1,i:2", "redis.url", "redis+cluster://h:1,i:2"),
        ("REDIS_URL", "rediss+sentinel://u:p@h:1/s/0", "redis.url", "rediss+sentinel://u:p@h:1/s/0"),
        ("GATEWAY_BLOBS_URL", "unix:///s", "blobs.url", "unix:///s"),
        ("GATEWAY_STATE_DIR", "/s", "server.state_dir", "/s"),
        (
            "GATEWAY_SERVER_TRUSTED_PROXIES",
            "10.0.0.0/8, ::1,",
            "server.trusted_proxies",
            ("10.0.0.0/8", "::1"),
        ),
        ("GATEWAY_IMAGES_STRICT_PARAMS", "true", "images.strict_params", True),
        ("GATEWAY_POLLING_JITTER", " 0.25 ", "polling.jitter", 0.25),
        ("GATEWAY_LOG_FORMAT", "json", "log.format", "json"),
    ],
)
def test_a_variable_sets_its_key(variable, text, key, value):
    """Every key has a variable; some have a shorter one as well."""
    section, name = key.split(".")

    assert value == getattr(getattr(load_settings({variable: text}), section), name)


def test_the_file_may_hold_aliases(config):
    """An operator's further names for models are a table in the file."""
    environ = config('[images.aliases]\nfast = "dall-e-3"\n')

    assert load_settings(environ).images.aliases == {"fast": "dall-e-3"}


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"GATEWAY_SERVER_PROT": "1"},
            "GATEWAY_SERVER_PROT: unknown variable; the nearest known one is GATEWAY_SERVER_PORT",
        ),
        (
            {"GATEWAY_SERVER_PORT": "http"},
            "GATEWAY_SERVER_PORT: server.port = 'http': expected a port number from 0 to 65535",
        ),
        (
            {"GATEWAY_SERVER_PORT": "65536"},
            "GATEWAY_SERVER_PORT: server.port = '65536': expected a port number from 0 to 65535",
        ),
        (
            {"GATEWAY_SERVER_WORKERS": "0"},
            "GATEWAY_SERVER_WORKERS: server.workers = '0': expected a whole number from 1 to 256",
        ),
        (
            {"GATEWAY_DOWNLOAD_TIMEOUT_S": "nan"},
            "GATEWAY_DOWNLOAD_TIMEOUT_S: download.timeout_s = 'nan': expected a number of seconds above 0",
        ),
        (
            {"GATEWAY_IMAGES_STRICT_PARAMS": "yes"},
            "GATEWAY_IMAGES_STRICT_PARAMS: images.strict_params = 'yes': expected true or false",
        ),
        (
            {"GATEWAY_PUBLIC_URL": "a?x"},
            "GATEWAY_PUBLIC_URL: server.public_url: expected an http(s):// URL without a user, a password, a query and a fragment",
        ),
        (
            {"AIHUBMIX_BASE_URL": "hub.com"},
            "AIHUBMIX_BASE_URL: upstream.base_url = 'hub.com': expected an http(s):// URL without a user, a password, a query and a fragment",
        ),
        (
            {"REDIS_URL": "https://:password@host"},
            "REDIS_URL: redis.url: expected a URL of redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://",
        ),
        (
            {"GATEWAY_LOG_LEVEL": "loud"},
            "GATEWAY_LOG_LEVEL: log.level = 'loud': expected debug, info, warning or error",
        ),
        (
            {"GATEWAY_IMAGES_ALIASES": "a=b"},
            "GATEWAY_IMAGES_ALIASES: images.aliases is a table; set it in the file that GATEWAY_CONFIG names",
        ),
        (
            {"AIHUBMIX_API_KEY": "sk-1", "GATEWAY_UPSTREAM_API_KEY": "sk-2"},
            "AIHUBMIX_API_KEY and GATEWAY_UPSTREAM_API_KEY: both set upstream.api_key; keep one of them",
        ),
        (
            {"GATEWAY_SERVER_TRUSTED_PROXIES": "10.0.0.0/8, 10.0.0.1/33"},
            "GATEWAY_SERVER_TRUSTED_PROXIES: server.trusted_proxies = ('10.0.0.0/8', '10.0.0.1/33'): expected a list of IP addresses or networks",
        ),
        (
            {"GATEWAY_SIGNING_KEY": "a", "GATEWAY_SIGNING_KEY_FILE": "/b"},
            "GATEWAY_SIGNING_KEY and GATEWAY_SIGNING_KEY_FILE: both set server.signing_key; keep one of them",
        ),
        (
            {"AIHUBMIX_API_KEY_FILE": "/nonexistent"},
            "AIHUBMIX_API_KEY_FILE: cannot read /nonexistent: No such file or directory",
        ),
        (
            {"GATEWAY_CONFIG": "/nonexistent.toml"},
            "GATEWAY_CONFIG: cannot read /nonexistent.toml: No such file or directory",
        ),
    ],
)
def test_a_fault_in_the_environment_is_one_exact_line(environ, message):
    """The line names the variable, the key and what would be right; a secret is not shown."""
    assert message == fault(environ)


@pytest.mark.parametrize("name", ["AIHUBMIX_BASE_URL", "AIHUBMIX_TASKS_URL", "GATEWAY_PUBLIC_URL"])
@pytest.mark.parametrize(
    "url", ["http://u:SEKRIT@h", "http://SEKRIT@h/v1", "http://u:a/SEKRIT@h", "http://h/?SEKRIT", "http://h#SEKRIT"]
)
def test_a_url_that_is_shown_may_hold_no_secret(name, url):
    """It is refused where it is read, and not repeated."""
    told = fault({name: url})
    assert told.startswith(f"{name}: ")
    assert told.endswith("expected an http(s):// URL without a user, a password, a query and a fragment")
    assert "SEKRIT" not in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[server]\nprot = 1", "unknown key server.prot; the nearest known one is server.port"),
        ("[serve]\nport = 1", "unknown key serve; the nearest known one is server"),
        ("port = 1", "unknown key port; the nearest known one is server.port"),
        ("server = 1", "server = 1: expected a table, [server]"),
        ("[server]\nport = '80'", "server.port = '80': expected a port number from 0 to 65535"),
        ("[server]\nport = true", "server.port = True: expected a port number from 0 to 65535"),
        ("[polling]\njitter = 1.0", "polling.jitter = 1.0: expected a number from 0 to below 1"),
        ("[download]\nproxy_hosts = 'a'", "download.proxy_hosts = 'a': expected a list of texts"),
        (
            "[server]\ntrusted_proxies = ['proxy.internal']",
            "server.trusted_proxies = ['proxy.internal']: expected a list of IP addresses or networks",
        ),
        ("[images.aliases]\na = 1", "images.aliases = {'a': 1}: expected a table of texts"),
        ("[server]\nsigning_key = 7", "server.signing_key: expected a text"),
        ("[server", "not TOML: Expected ']' at the end of a table declaration (at end of document)"),
    ],
)
def test_a_fault_in_the_file_is_one_exact_line(config, text, message):
    """The line names the file, the key and what would be right."""
    environ = config(text)

    assert f"{environ['GATEWAY_CONFIG']}: {message}" == fault(environ)


def test_a_fault_in_a_flag_names_the_flag():
    """A value that the command line gave is blamed on its flag."""
    assert fault({}, {"server.port": -1}) == "--port: server.port = -1: expected a port number from 0 to 65535"


def test_what_kubernetes_injects_is_ignored():
    """A Service named gateway, or gateway-something, must not stop the start."""
    injected = {
        "GATEWAY_PORT": "tcp://10.0.0.1:80",
        "GATEWAY_SERVICE_HOST": "10.0.0.1",
        "GATEWAY_SERVICE_PORT": "80",
        "GATEWAY_SERVICE_PORT_HTTP": "80",
        "GATEWAY_PORT_80_TCP": "tcp://10.0.0.1:80",
        "GATEWAY_PORT_80_TCP_ADDR": "10.0.0.1",
        "GATEWAY_PORT_80_TCP_PORT": "80",
        "GATEWAY_PORT_80_TCP_PROTO": "tcp",
        "GATEWAY_SERVER_PORT": "tcp://10.0.0.2:80",
        "GATEWAY_REDIS_SERVICE_HOST": "10.0.0.3",
        "GATEWAY_METRICS_PORT": "udp://10.0.0.4:9",
    }

    assert load_settings({}) == load_settings(injected)


def test_an_empty_variable_is_unset():
    """Compose files and shells often export a name without a value."""
    assert load_settings({}) == load_settings({"AIHUBMIX_API_KEY": "", "GATEWAY_CONFIG": "", "GATEWAY_X": ""})


def test_a_secret_may_come_from_a_file(tmp_path):
    """The file's text is the secret, without the newline that editors add."""
    path = tmp_path / "key"
    path.write_text("sk-from-file\n")

    assert load_settings({"AIHUBMIX_API_KEY_FILE": str(path)}).upstream.api_key == "sk-from-file"


def test_repr_hides_secrets():
    """What is secret never reaches a log by way of a repr."""
    secrets = {variables(key)[0]: "hush" for key in ("upstream.api_key", "server.signing_key", "server.admin_key")}
    urls = {variables(key)[0]: "redis://:hush@h" for key in ("redis.url", "blobs.url")}
    proxy = {"GATEWAY_DOWNLOAD_PROXY": "http://u:hush@h"}

    shown = repr(load_settings(secrets | urls | proxy))

    assert "hush" not in shown
    assert shown.count("[secret]") == 6


def test_settings_travel_as_json():
    """The launcher hands the resolved settings to its workers as JSON."""
    settings = load_settings({"AIHUBMIX_API_KEY": "sk-1"})

    assert settings == msgspec.json.decode(msgspec.json.encode(settings), type=Settings)


def test_the_shipped_files_are_found():
    """Both in a checkout and (by the build's force-include) inside the package."""
    assert tomllib.loads(shipped("models.toml").read_text())


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"AIHUBMIX_APIKEY": "sk-1"}, "AIHUBMIX_APIKEY: unknown variable; the nearest known one is AIHUBMIX_API_KEY"),
        ({"GATEWAY_SERVER_WORKERS": "100000000"}, "expected a whole number from 1 to 256"),
    ],
)
def test_what_would_start_something_else_stops_the_start(environ, told):
    """A misspelt upstream key must not start the sandbox, nor a slip of the finger a hundred million workers."""
    with pytest.raises(SettingsError, match=told):
        load_settings(environ)


def test_an_empty_secret_file_stops_the_start(tmp_path):
    """A secret that did not arrive is not taken for one that nobody set."""
    (tmp_path / "key").write_text("\n")
    with pytest.raises(SettingsError, match="the file is empty"):
        load_settings({"AIHUBMIX_API_KEY_FILE": str(tmp_path / "key")})


def test_what_connects_to_redis_is_told_no_more_than_it_takes():
    """Durability is the scripts' affair."""
    redis = load_settings({"GATEWAY_REDIS_DURABILITY": "wait", "GATEWAY_REDIS_WAIT_MS": "20"}).redis

    assert (redis.durability, redis.wait_ms) == ("wait", 20)
    assert set(redis.connection()) == {
        "url",
        "command_timeout_s",
        "connect_timeout_s",
        "max_connections",
        "pool_timeout_s",
    }
