"""`gateway check`: whether a gateway with these settings can work, and what waits for somebody."""

import asyncio
import os
import sys
from collections.abc import Mapping

import click

from gateway.cli.checks.finding import Finding, problem
from gateway.cli.checks.models import check_models
from gateway.cli.checks.settings import check_grace, check_settings
from gateway.cli.checks.store import check_store
from gateway.cli.checks.upstream import check_upstream
from gateway.cli.model_names import catalog_of
from gateway.cli.stored import now
from gateway.cli.text import as_json, examples
from gateway.processes import StartFailed
from gateway.settings import Settings, SettingsError, load_settings
from gateway.store.generations import Backlog


@click.command(epilog=examples("gateway check", "gateway check --json"))
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def check(*, json_: bool) -> None:
    """Tell what is wrong: settings, prices, Aihubmix, Redis, the clock, generations that nobody looks after.

    Aihubmix is asked for its list of models and for a task that never was, which costs nothing.

    Exit status 0 means that nothing has to be mended, 1 that something has. Warnings do not count.
    """
    findings, backlogs = _check(os.environ)
    is_fine = all(finding.level != "problem" for finding in findings)
    if json_:
        told = {"ok": is_fine, "findings": findings, "teams": backlogs}
        click.echo(as_json(told))
    else:
        width = max(len(finding.about) for finding in findings)
        for finding in findings:
            click.echo(f"{finding.level:<8} {finding.about:<{width}}  {finding.told}")
    sys.exit(0 if is_fine else 1)


def _check(environ: Mapping[str, str]) -> tuple[list[Finding], list[Backlog]]:
    try:
        settings = load_settings(environ)
    except SettingsError as error:
        return [problem("settings", str(error))], []
    findings = check_settings(settings)
    try:
        catalog = catalog_of(settings)
        findings += check_grace(settings, catalog) + check_models(catalog)
    except SettingsError as error:
        findings.append(problem("models", str(error)))
    return asyncio.run(_check_servers(settings, findings))


async def _check_servers(settings: Settings, findings: list[Finding]) -> tuple[list[Finding], list[Backlog]]:
    if settings.upstream.api_key:
        findings = findings + await check_upstream(settings)
    try:
        more, backlogs = await check_store(settings, now)
    except (SettingsError, StartFailed) as error:
        return [*findings, problem("state", str(error))], []
    return findings + more, backlogs
