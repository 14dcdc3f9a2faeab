"""`make bench`: what a request costs. Takes less than three minutes; needs nginx and wrk."""

import os
import tempfile
from pathlib import Path

import click
import msgspec

from tests.bench import flux, measure, memory, proc, profiling, subjects, telemetry, upstream
from tests.bench.report import Report, as_text, report
from tests.bench.subjects import Subject


@click.command()
@click.option("--json", "json_", is_flag=True, help="Print the figures as JSON.")
@click.option("--profile", is_flag=True, help="Tell instead where the worker's time goes (by py-spy, from PyPI).")
def main(*, json_: bool, profile: bool) -> None:
    """Measure the gateway beside its upstream, an application that does nothing, and itself without telemetry."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        home = Path(directory)
        with (
            upstream.fake_upstream(home / "upstream") as url,
            subjects.gateway(home / "gateway", url) as gateway,
        ):
            if profile:
                click.echo("\n".join(profiling.profile(gateway, home)))
                return
            with (
                subjects.echo(home / "upstream" / "files" / "large.json") as echo,
                subjects.switched(home / "switched", url) as switched,
            ):
                found = _measure(home, Subject("upstream", url), echo, gateway, switched)
    click.echo(msgspec.json.format(msgspec.json.encode(found)) if json_ else as_text(found))


def _measure(home: Path, direct: Subject, echo: Subject, gateway: Subject, switched: Subject) -> Report:
    load_average = os.getloadavg()[0]
    held = memory.hold_results(gateway, len(upstream.png(upstream.LARGE_SIDE)))
    stores = list(measure.store_use(gateway, home / "gateway"))
    cells = measure.rounds([direct, echo, gateway])
    peak_rss = max(held.peak, proc.peak_rss(gateway.pid))
    return report(
        load_average,
        cells,
        stores,
        memory=held,
        peak_rss=peak_rss,
        tasks=flux.hold_tasks(home / "flux"),
        telemetry=telemetry.cost(switched),
    )


if __name__ == "__main__":
    main()
