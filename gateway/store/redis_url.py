"""The written forms of where a Redis is."""

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from redis.asyncio.connection import parse_url

FORMS = {
    "redis": "redis://user:password@host:6379/0",
    "rediss": "rediss://user:password@host:6379/0",
    "unix": "unix:///path/to/socket?db=0",
    "redis+cluster": "redis+cluster://user:password@host:6379,host:6379",
    "rediss+cluster": "rediss+cluster://user:password@host:6379,host:6379",
    "redis+sentinel": "redis+sentinel://user:password@host:26379,host:26379/service/0",
    "rediss+sentinel": "rediss+sentinel://user:password@host:26379,host:26379/service/0",
}

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_NETLOC = re.compile(r"[^/?#]*")
_SERVICE = re.compile(r"/(?P<service>[A-Za-z0-9._-]+)(?:/(?P<db>[0-9]{1,4}))?")
_DB = re.compile(r"/?|/[0-9]{1,4}")
_TLS = {"ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"}
_SENTINEL = {"sentinel_username", "sentinel_password"}
_SSL = _TLS | {"ssl_ca_data", "ssl_ca_path", "ssl_ciphers", "ssl_min_version", "ssl_password"}
_PLAIN = {"db", "username", "password", "client_name", "health_check_interval", "socket_keepalive"} | {
    "socket_timeout",
    "socket_connect_timeout",
    "retry_on_timeout",
}


class _Fault(ValueError):
    """What exactly is wrong, where that can be told without repeating a secret."""


class Location(msgspec.Struct, frozen=True):
    """What a URL says. `kind` is `single`, `cluster` or `sentinel`; `plain` is the URL of a single server as it came.

    `options` and `sentinel_options` are redis-py's, for connections to the servers and to the Sentinels.
    """

    kind: str
    plain: str = ""
    addresses: tuple[tuple[str, int], ...] = ()
    service: str = ""
    options: dict[str, Any] = {}
    sentinel_options: dict[str, Any] = {}


def read_url(url: str) -> Location:
    """Read a URL of one of FORMS; raises ValueError, which never repeats the URL, since that may hold a password.

    `rediss` is TLS. Of the forms with several hosts, those of TLS take redis-py's `ssl_ca_certs`, `ssl_cert_reqs`,
    `ssl_certfile`, `ssl_keyfile` and `ssl_check_hostname` as a query, and those of Sentinels `sentinel_username`
    and `sentinel_password`. A single server takes all of redis-py's that say where it is and who asks.
    """
    scheme = url.partition("://")[0]
    if "://" not in url or scheme not in FORMS:
        shown = f"the scheme {scheme!r}" if "://" in url else "no scheme"
        raise ValueError(f"A Redis URL with {shown}: use {', '.join(f'{known}://' for known in FORMS)}.")
    try:
        return _several(url) if "+" in scheme else _single(url)
    except _Fault as fault:
        raise ValueError(f"A Redis URL {fault}: use the form {FORMS[scheme]}.") from None
    except ValueError:
        raise ValueError(
            "A Redis URL that cannot be read (a special character in a password is written as %XX): "
            f"use the form {FORMS[scheme]}."
        ) from None


def _single(url: str) -> Location:
    parts = urlsplit(url)
    parts.port  # noqa: B018  reading it is what checks it
    if parts.fragment or "@" in parts.path + parts.query:  # it is part of a password
        raise ValueError
    allowed = _PLAIN | (_SSL if parts.scheme == "rediss" else set())
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in query:
        if name not in allowed:
            raise _Fault(f"with the option {name[:80]!r}, which is none of {', '.join(sorted(allowed))}")
    if not query.get("db", "0").isdecimal() or (parts.scheme != "unix" and not _DB.fullmatch(parts.path)):
        raise _Fault("whose database is no number")
    parse_url(url)
    return Location("single", plain=url)


def _several(url: str) -> Location:
    scheme, _, rest = url.partition("://")
    base, _, kind = scheme.partition("+")
    where = _NETLOC.match(rest)[0]  # type: ignore[index]  # which matches anything
    parts = urlsplit(f"{scheme}://host{rest.removeprefix(where)}")  # newer Pythons refuse [::1] among other hosts
    login, _, hosts = where.rpartition("@")
    path = _SERVICE.fullmatch(parts.path)
    if parts.fragment or (path is None if kind == "sentinel" else parts.path not in {"", "/"}):
        raise ValueError
    allowed = (_TLS if base == "rediss" else set()) | (_SENTINEL if kind == "sentinel" else set())
    query = parse_url(f"{base}://?{parts.query}") if parts.query else {}
    asked = {name: value for name, value in query.items() if name != "connection_class"}
    if asked.keys() - allowed:
        raise ValueError
    tls = {"ssl": base == "rediss"} | {name: value for name, value in asked.items() if name in _TLS}
    return Location(
        kind,
        addresses=tuple(_address(host) for host in hosts.split(",")),
        service=path["service"] if path else "",
        options=tls | _login(login) | ({"db": int(path["db"] or 0)} if path else {}),
        sentinel_options=tls | {name.removeprefix("sentinel_"): asked[name] for name in _SENTINEL & asked.keys()},
    )


def _address(text: str) -> tuple[str, int]:
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 2**16:
        raise ValueError
    return match["host"].strip("[]"), int(match["port"])


def _login(text: str) -> dict[str, str]:
    if not text:
        return {}
    user, colon, password = text.partition(":")
    if not colon:
        raise ValueError
    return {name: unquote(value) for name, value in (("username", user), ("password", password)) if value}
