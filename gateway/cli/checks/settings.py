"""Whether settings that can be read are safe and serve what is paid for."""

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from gateway.catalog import Catalog
from gateway.cli.checks.finding import Finding, ok, problem, warning
from gateway.settings import Settings, variables

_SHORTEST_SECRET = 16  # characters
_RANDOM = "make a random one: openssl rand -hex 32"


def check_settings(settings: Settings) -> list[Finding]:
    """Look for what an operator would regret; no finding repeats a secret."""
    found = [*_secrets(settings), *_addresses(settings), *_risks(settings)]
    if not settings.upstream.api_key:
        told = "have no AIHUBMIX_API_KEY: the gateway draws with the sandbox, and nothing is real"
        found.insert(0, warning("settings", told))
    return found or [ok("settings", "are readable and safe")]


def check_grace(settings: Settings, catalog: Catalog) -> list[Finding]:
    """See whether a stop leaves each model the time to finish what is paid for."""
    grace = settings.server.shutdown_grace_s
    slowest = max(catalog.models, key=lambda model: model.time_limit_s)
    if grace >= slowest.time_limit_s:
        return []
    told = f"{_name('server.shutdown_grace_s')} is {grace:g}, but {slowest.id} may take {slowest.time_limit_s:g} s: "
    return [warning("settings", told + "what is cut off by a stop may have been paid for")]


def _secrets(settings: Settings) -> Iterator[Finding]:
    admin_key, signing_key = settings.server.admin_key, settings.server.signing_key
    if not admin_key:
        yield warning("settings", "have no GATEWAY_ADMIN_KEY: /admin, /dashboard and /playground are off")
    elif len(admin_key) < _SHORTEST_SECRET:
        yield problem("settings", f"GATEWAY_ADMIN_KEY has only {_length(admin_key)}, to be guessed: {_RANDOM}")
    if 0 < len(signing_key) < _SHORTEST_SECRET:
        told = f"GATEWAY_SIGNING_KEY has only {_length(signing_key)}, so that image URLs can be forged: {_RANDOM}"
        yield problem("settings", told)


def _addresses(settings: Settings) -> Iterator[Finding]:
    for key, url in {
        "upstream.base_url": settings.upstream.base_url,
        "upstream.tasks_url": settings.upstream.tasks_url,
    }.items():
        if _crosses_in_clear(url):
            told = f"{_name(key)} is {url}: AIHUBMIX_API_KEY crosses the network in clear; it begins with https://"
            yield problem("settings", told)
    if _crosses_in_clear(settings.server.public_url):
        told = f"GATEWAY_PUBLIC_URL is {settings.server.public_url}: keys and images cross the network in clear"
        yield warning("settings", f"{told}; put TLS before the gateway, and write https://")
    everybody = [proxy for proxy in settings.server.trusted_proxies if not _network(proxy).prefixlen]
    if everybody:
        told = f"{_name('server.trusted_proxies')} trusts everybody ({', '.join(everybody)}), so that any client "
        yield warning("settings", told + "decides what host image URLs name: name the proxy's address")


def _risks(settings: Settings) -> Iterator[Finding]:
    if settings.redis.down == "allow":
        told = f"{_name('redis.down')} is allow: while Redis is away there are no quotas, and two workers may buy twice"
        yield warning("settings", told)
    if not settings.usage.charge_unknown:
        told = f"{_name('usage.charge_unknown')} is false: what may have been paid for escapes budgets until it is "
        yield warning("settings", told + "resolved")


def _name(key: str) -> str:
    return variables(key)[0]


def _length(secret: str) -> str:
    return "1 character" if len(secret) == 1 else f"{len(secret)} characters"


def _network(proxy: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(proxy, strict=False)


def _crosses_in_clear(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
