"""`gateway check`: whether a gateway with these settings can work, and what waits for somebody."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import click

from gateway.catalog import Catalog
from gateway.cli.books import Books
from gateway.cli.check_redis import check_servers
from gateway.cli.finding import Finding, ok, problem, warning
from gateway.cli.model_names import catalog_of
from gateway.cli.stored import now
from gateway.cli.text import as_json, examples
from gateway.errors import Unavailable
from gateway.processes import StartFailed
from gateway.settings import Settings, SettingsError, load_settings
from gateway.store.connection import Client, connect, redis_needed
from gateway.store.embedded import Embedded
from gateway.store.generations import Backlog
from gateway.store.money import in_dollars

_PATIENCE_S = 10  # a lease that ran out is taken over within a second or two


@click.command(epilog=examples("gateway check", "gateway check --json"))
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def check(*, json_: bool) -> None:
    """Tell what is wrong: settings, Redis, prices, generations that nobody looks after.

    Exit status 0 means that nothing has to be mended, 1 that something has. Warnings do not count.
    """
    findings, backlogs = _check()
    is_fine = all(finding.level != "problem" for finding in findings)
    if json_:
        told = {"ok": is_fine, "findings": findings, "teams": backlogs}
        click.echo(as_json(told))
    else:
        width = max(len(finding.about) for finding in findings)
        for finding in findings:
            click.echo(f"{finding.level:<8} {finding.about:<{width}}  {finding.told}")
    sys.exit(0 if is_fine else 1)


def _check() -> tuple[list[Finding], list[Backlog]]:
    try:
        settings = load_settings(os.environ)
    except SettingsError as error:
        return [problem("settings", str(error))], []
    findings = [_settings(settings)]
    try:
        findings += _prices(catalog_of(settings))
    except SettingsError as error:
        findings.append(problem("models", str(error)))
    try:
        more, backlogs = asyncio.run(_redis(settings))
    except (SettingsError, StartFailed) as error:
        return [*findings, problem("state", str(error))], []
    return findings + more, backlogs


def _settings(settings: Settings) -> Finding:
    if settings.upstream.api_key:
        return ok("settings", "are readable")
    return warning("settings", "have no AIHUBMIX_API_KEY: the gateway draws with the sandbox, and nothing is real")


def _prices(catalog: Catalog) -> list[Finding]:
    missing = [model.id for model in catalog.models if model.price is None]
    unverified = [model.id for model in catalog.models if model.price and not model.price.verified]
    converted = [
        f"{model.id} ({model.price.currency})"
        for model in catalog.models
        if model.price and model.price.currency != "USD"
    ]
    doubts = [
        (missing, "no price, so that keys with a budget cannot use them: add one to models.toml"),
        (unverified, "a price not seen at Aihubmix: compare it with a bill, and set verified in models.toml"),
        (converted, "a converted price: renew usd and usd_date in models.toml when the rate has moved"),
    ]
    found = [warning("models", f"{len(names)} with {told}: {', '.join(names)}") for names, told in doubts if names]
    return found or [ok("models", f"{len(catalog.models)}, each with a verified price")]


async def _redis(settings: Settings) -> tuple[list[Finding], list[Backlog]]:
    with _urls(settings) as (state_url, blobs_url):
        async with _client(settings, "redis", state_url) as state, _client(settings, "blobs", blobs_url) as blobs:
            findings = await check_servers(state, blobs)
            try:
                more, backlogs = await _books(Books(state, settings))
            except Unavailable:  # which was told already
                return findings, []
            return findings + more, backlogs


async def _books(books: Books) -> tuple[list[Finding], list[Backlog]]:
    backlogs = await books.generations.backlogs(now() - _PATIENCE_S)
    with redis_needed():
        brakes = await books.brakes.read()
        spent = await books.brakes.spent()
    findings = [
        ok("generations", f"{sum(team.open for team in backlogs)} under way, of {len(backlogs)} teams"),
        *_waiting(backlogs),
    ]
    if brakes.budget is not None and spent.used + spent.reserved >= brakes.budget:
        findings.append(
            warning(
                "brakes", f"the budget of ${in_dollars(brakes.budget):f} is used up: `gateway brakes set` raises it"
            )
        )
    if brakes.off:
        findings.append(warning("brakes", f"off by `gateway brakes off`: {', '.join(sorted(brakes.off))}"))
    return findings, backlogs


def _waiting(backlogs: Sequence[Backlog]) -> Iterator[Finding]:
    for team in backlogs:
        if team.overdue:
            yield problem(
                "generations",
                f"{team.overdue} of team {team.team} have lost their worker: a gateway on this Redis takes over",
            )
        if team.unresolved:
            yield warning(
                "generations",
                f"{team.unresolved} of team {team.team} have an unknown outcome: "
                f"`gateway generations list --state unknown --team {team.team}`",
            )


@contextmanager
def _urls(settings: Settings) -> Iterator[tuple[str, str]]:
    """Give where state and image bytes are; the embedded servers are started if need be."""
    if settings.redis.url:
        yield settings.redis.url, settings.blobs.url or settings.redis.url
        return
    own_blobs = None if settings.blobs.url else settings.blobs.max_bytes
    embedded = Embedded(Path(settings.server.state_dir), blobs_max_bytes=own_blobs)
    embedded.open()
    try:
        yield embedded.url("state"), settings.blobs.url or embedded.url("blobs")
    finally:
        embedded.close()


@asynccontextmanager
async def _client(settings: Settings, section: str, url: str) -> AsyncIterator[Client]:
    try:
        redis = connect(**(settings.redis.connection() | {"url": url}))
    except ValueError as error:
        raise SettingsError(f"{section}.url: {error}") from None
    try:
        yield redis
    finally:
        await redis.aclose()
