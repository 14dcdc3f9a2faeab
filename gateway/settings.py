"""Every setting, typed; their values, units and meanings stand in the shipped `config/gateway.toml`.

A key's value comes from the shipped file, the file that GATEWAY_CONFIG names, the environment, or a flag of
the command line: the last of these that sets it wins.
"""

import ipaddress
import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(description="a text")]
Flag = Annotated[bool, Meta(description="true or false")]
Texts = Annotated[tuple[str, ...], Meta(description="a list of texts")]
Networks = Annotated[tuple[str, ...], Meta(description="a list of IP addresses or networks")]
Table = Annotated[dict[str, str], Meta(description="a table of texts")]
Port = Annotated[int, Meta(ge=0, le=65535, description="a port number from 0 to 65535")]
Count = Annotated[int, Meta(ge=1, le=2**40, description="a whole number of at least 1")]
Whole = Annotated[int, Meta(ge=0, le=2**40, description="a whole number, 0 or more")]
Days = Annotated[int, Meta(ge=1, le=3660, description="a whole number of days from 1 to 3660")]
Workers = Annotated[int, Meta(ge=1, le=256, description="a whole number from 1 to 256")]
Seconds = Annotated[float, Meta(gt=0, le=1e9, description="a number of seconds above 0")]
Fraction = Annotated[float, Meta(ge=0, lt=1, description="a number from 0 to below 1")]
Level = Annotated[Literal["debug", "info", "warning", "error"], Meta(description="debug, info, warning or error")]
Durability = Annotated[Literal["async", "wait"], Meta(description="async or wait")]
Format = Annotated[Literal["json", "pretty", "auto"], Meta(description="json, pretty or auto")]

Down = Annotated[Literal["deny", "allow"], Meta(description="deny or allow")]
Join = Annotated[Literal["all", "retries"], Meta(description="all or retries")]

_HTTP = r"https?://[^/?#\s]+(/[^?#\s]*)?"
_REDIS = r"(rediss?(\+cluster|\+sentinel)?|unix)://\S+"
_BARE_HTTP = _HTTP.replace("[^", "[^@")  # nor a user, for these are shown
_BARE = "an http(s):// URL without a user, a password, a query and a fragment"
_SECRET_PART = re.compile(r"[@?#]")
Url = Annotated[str, Meta(pattern=rf"^{_BARE_HTTP}\Z", description=_BARE)]
OptionalUrl = Annotated[str, Meta(pattern=rf"^({_BARE_HTTP})?\Z", description=_BARE)]

_SECRET = {"secret": True}
ProxyUrl = Annotated[
    str, Meta(pattern=rf"^({_HTTP})?\Z", description="an http(s):// URL without a query", extra=_SECRET)
]
Secret = Annotated[str, Meta(description="a text", extra=_SECRET)]
RedisUrl = Annotated[
    str,
    Meta(
        pattern=rf"^({_REDIS})?\Z",
        description="a URL of redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://",
        extra=_SECRET,
    ),
]

# A Kubernetes Service whose name begins with "gateway" puts these into every pod of its namespace.
_INJECTED_NAME = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?$")
_INJECTED_VALUE = re.compile(r"^(tcp|udp|sctp)://")


class SettingsError(Exception):
    """A setting that cannot be used: one line naming the key, where it was set, and what would be right."""


def _meta(kind: Any) -> Meta:
    meta: Meta = kind.__metadata__[0]
    return meta


def _is_secret(kind: Any) -> bool:
    return bool((_meta(kind).extra or {}).get("secret"))


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of the file; its repr hides what is secret."""

    def __repr__(self) -> str:
        shown = []
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            shown.append(f"{field.name}={'[secret]' if value and _is_secret(field.type) else repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


class Server(Section, frozen=True):
    host: Text
    port: Port
    workers: Workers
    state_dir: Text
    public_url: OptionalUrl
    trusted_proxies: Networks
    max_body_bytes: Count
    request_timeout_s: Seconds
    stream_keepalive_s: Seconds
    shutdown_grace_s: Seconds
    signing_key: Secret
    admin_key: Secret
    show_thumbnails: Flag
    models: Text


class Upstream(Section, frozen=True):
    api_key: Secret
    base_url: Url
    tasks_url: Url
    connect_timeout_s: Seconds
    pool_timeout_s: Seconds
    max_connections: Count
    keepalive_s: Seconds
    max_reply_bytes: Count
    attempts: Count
    backoff_s: Seconds


class Download(Section, frozen=True):
    timeout_s: Seconds
    max_bytes: Count
    proxy: ProxyUrl
    proxy_hosts: Texts
    patience_s: Seconds
    backoff_s: Seconds


class Limits(Section, frozen=True):
    max_in_flight: Count
    max_queued: Count
    circuit_failures: Count
    circuit_open_s: Seconds
    max_waiting: Count


class Cache(Section, frozen=True):
    join: Join
    ttl_s: Whole
    memory_bytes: Whole
    high_water: Fraction
    unclaimed_s: Count
    tombstone_s: Count
    idempotency_s: Count


class GenerationsSection(Section, frozen=True):
    lease_s: Seconds
    sweep_s: Seconds
    check_s: Seconds


class Usage(Section, frozen=True):
    charge_unknown: Flag
    retention_days: Days
    dispute_days: Days


class Polling(Section, frozen=True):
    jitter: Fraction


class RedisServer(Section, frozen=True):
    url: RedisUrl
    down: Down
    durability: Durability
    wait_ms: Count
    command_timeout_s: Seconds
    connect_timeout_s: Seconds
    max_connections: Count
    pool_timeout_s: Seconds

    def connection(self) -> dict[str, Any]:
        """Give what `connect` takes."""
        told = msgspec.structs.asdict(self)
        return {name: value for name, value in told.items() if name not in {"down", "durability", "wait_ms"}}


class BlobsServer(Section, frozen=True):
    url: RedisUrl
    command_timeout_s: Seconds
    max_bytes: Count


class Images(Section, frozen=True):
    default_model: Text
    strict_params: Flag
    url_life_s: Seconds
    max_pixels: Count
    transcode_threads: Count
    aliases: Table


class Keys(Section, frozen=True):
    cache_s: Seconds
    unknown_cache: Count


class Log(Section, frozen=True):
    level: Level
    format: Format


class MetricsSection(Section, frozen=True):
    port: Port
    host: Text
    max_teams: Count


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of one process."""

    server: Server
    upstream: Upstream
    download: Download
    limits: Limits
    cache: Cache
    generations: GenerationsSection
    usage: Usage
    polling: Polling
    redis: RedisServer
    blobs: BlobsServer
    images: Images
    keys: Keys
    log: Log
    metrics: MetricsSection


KINDS: dict[str, Any] = {
    f"{section.name}.{field.name}": field.type
    for section in msgspec.structs.fields(Settings)
    for field in msgspec.structs.fields(section.type)
}

_OWN_NAMES = {
    "server.state_dir": "GATEWAY_STATE_DIR",
    "server.public_url": "GATEWAY_PUBLIC_URL",
    "server.signing_key": "GATEWAY_SIGNING_KEY",
    "server.admin_key": "GATEWAY_ADMIN_KEY",
    "server.models": "GATEWAY_MODELS",
    "upstream.api_key": "AIHUBMIX_API_KEY",
    "upstream.base_url": "AIHUBMIX_BASE_URL",
    "upstream.tasks_url": "AIHUBMIX_TASKS_URL",
    "redis.url": "REDIS_URL",
}


def variables(key: str) -> list[str]:
    """Name the variables that set `key`, the one to recommend first."""
    general = "GATEWAY_" + key.replace(".", "_").upper()
    names = [general] if key not in _OWN_NAMES else [_OWN_NAMES[key], general]
    return names + [f"{name}_FILE" for name in names if _is_secret(KINDS[key])]


def shipped(name: str) -> Path:
    """Find a file of `config/`, in a checkout as well as in an installed wheel."""
    package = Path(__file__).parent
    installed = package / "config" / name
    return installed if installed.exists() else package.parent / "config" / name


def load_settings(environ: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> Settings:
    """Merge files, environment and `flags` (key -> value of a command-line flag); raises SettingsError."""
    values = _from_file(shipped("gateway.toml"))
    if path := environ.get("GATEWAY_CONFIG"):
        values |= _from_file(Path(path))
    values |= _from_environment(environ)
    for key, value in (flags or {}).items():
        values[key] = _convert(key, value, where="--" + key.partition(".")[2].replace("_", "-"))
    sections: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = value
    return msgspec.convert(sections, Settings)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(_read(path, "GATEWAY_CONFIG"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not TOML: {error}") from None
    values: dict[str, Any] = {}
    for section, table in document.items():
        if section not in Settings.__struct_fields__:
            known = Settings.__struct_fields__ if isinstance(table, dict) else KINDS
            raise SettingsError(f"{path}: unknown key {section}{_nearest(section, known)}")
        if not isinstance(table, dict):
            raise SettingsError(f"{path}: {section} = {table!r}: expected a table, [{section}]")
        for name, value in table.items():
            key = f"{section}.{name}"
            if key not in KINDS:
                raise SettingsError(f"{path}: unknown key {key}{_nearest(key, KINDS)}")
            values[key] = _convert(key, value, where=str(path))
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    owners = {name: key for key in KINDS for name in variables(key)}
    values: dict[str, Any] = {}
    setters: dict[str, str] = {}
    for name, text in environ.items():
        if not text or name == "GATEWAY_CONFIG":
            continue
        if _INJECTED_NAME.search(name) or (name.endswith("_PORT") and _INJECTED_VALUE.match(text)):
            continue
        if name not in owners:
            if name.startswith(("GATEWAY_", "AIHUBMIX_")):
                raise SettingsError(f"{name}: unknown variable{_nearest(name, owners)}")
            continue
        key = owners[name]
        if key in setters:
            raise SettingsError(f"{setters[key]} and {name}: both set {key}; keep one of them")
        setters[key] = name
        values[key] = _convert(key, _parse(key, name, text), where=name, strict=False)
    return values


def _read(path: Path, variable: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{variable}: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{variable}: cannot read {path}: it is not UTF-8 text") from None


def _parse(key: str, name: str, text: str) -> Any:
    if name.endswith("_FILE"):
        text = _read(Path(text), name)
        if not text.strip():
            raise SettingsError(f"{name}: {key}: the file is empty; expected the secret, or the variable unset")
    kind = get_origin(KINDS[key].__origin__)
    if kind is dict:
        raise SettingsError(f"{name}: {key} is a table; set it in the file that GATEWAY_CONFIG names")
    if kind is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text.strip()


def _convert(key: str, value: Any, *, where: str, strict: bool = True) -> Any:
    kind = KINDS[key]
    if isinstance(value, str) and kind in (Url, OptionalUrl, ProxyUrl):
        value = value.rstrip("/")
    try:
        converted = msgspec.convert(value, kind, strict=strict)
        if kind is Networks:
            for network in converted:
                ipaddress.ip_network(network, strict=False)
    except (msgspec.ValidationError, ValueError):
        is_hidden = _is_secret(kind) or (kind in (Url, OptionalUrl) and _SECRET_PART.search(str(value)))
        shown = "" if is_hidden else f" = {value!r}"
        raise SettingsError(f"{where}: {key}{shown}: expected {_meta(kind).description}") from None
    return converted


def _nearest(name: str, known: Iterable[str]) -> str:
    matches = get_close_matches(name, list(known), n=1, cutoff=0)
    return f"; the nearest known one is {matches[0]}" if matches else ""
