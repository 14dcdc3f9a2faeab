"""`gateway brakes`: a budget of the whole gateway, and models switched off, without a restart."""

import os

import click

from gateway.cli.books import Books, with_books
from gateway.cli.dollars import Dollars
from gateway.cli.model_names import catalog_of, model_ids
from gateway.cli.text import as_json, as_page, examples
from gateway.settings import Settings, load_settings
from gateway.store.books_objects import brakes_object
from gateway.store.brakes import BrakeState, Spent
from gateway.store.connection import redis_needed
from gateway.store.money import in_dollars


@click.group(
    epilog=examples(
        "gateway brakes show",
        "gateway brakes set --budget-usd-per-month 500",
        'gateway brakes off dall-e-3 --reason "use gpt-image-1"',
        "gateway brakes on dall-e-3",
    )
)
def brakes() -> None:
    """Hold back the whole gateway. Every worker obeys within a second or two."""


@brakes.command(epilog=examples("gateway brakes show --json"))
@click.option("--json", "json_", is_flag=True, help="Print JSON; money is dollars.")
def show(*, json_: bool) -> None:
    """Tell the budget of all teams together, what of it is gone, and which models are off."""

    async def read(books: Books) -> tuple[BrakeState, Spent]:
        with redis_needed():
            return await books.brakes.read(), await books.brakes.spent()

    state, spent = with_books(load_settings(os.environ), read)
    if json_:
        click.echo(as_json(brakes_object(state, spent)))
        return
    facts: dict[str, str | None] = {"budget": "none"}
    if state.budget is not None:
        facts["budget"] = f"${in_dollars(state.budget):f} a month"
        facts["used"] = f"${in_dollars(spent.used):f} in {spent.month[:4]}-{spent.month[4:]}"
        facts["reserved"] = f"${in_dollars(spent.reserved):f} by what is under way"
    facts["models off"] = None if state.off else "none"
    lines = [f"{model} is off{f': {reason}' if reason else ''}" for model, reason in sorted(state.off.items())]
    click.echo("\n".join([as_page(facts), *lines]))


@brakes.command(name="set", epilog=examples("gateway brakes set --budget-usd-per-month none"))
@click.option(
    "--budget-usd-per-month",
    "budget",
    type=Dollars(none=True),
    required=True,
    help="For all teams together, per UTC calendar month; none lifts it.",
)
def set_(budget: int | None) -> None:
    """Set the budget of each month; this month's counts from its first day."""

    async def changed(books: Books) -> Spent:
        await books.brakes.set_budget(budget)
        return await books.brakes.spent()

    spent = with_books(load_settings(os.environ), changed)
    told = "lifted" if budget is None else f"${in_dollars(budget):f} a month from now on"
    click.echo(f"The budget of the gateway is {told}.")
    gone = spent.used + spent.reserved
    if budget is not None and gone >= budget:
        told = f"${in_dollars(gone):f} of this month's is used or reserved already"
        click.echo(f"{told}: from now on everything is refused, until next month or a higher budget.", err=True)


@brakes.command(epilog=examples('gateway brakes off dall-e-3 --reason "use gpt-image-1"'))
@click.argument("model")
@click.option("--reason", default="", help="What clients are told.")
def off(model: str, reason: str) -> None:
    """Refuse new requests for a model; what is under way is finished."""
    settings = load_settings(os.environ)
    model_id = _id(settings, model)
    with_books(settings, lambda books: books.brakes.switch_off(model_id, reason))
    click.echo(f"{model_id} is off.")


@brakes.command(name="on", epilog=examples("gateway brakes on dall-e-3"))
@click.argument("model")
def on(model: str) -> None:
    """Let a model be used again."""
    settings = load_settings(os.environ)
    model_id = _id(settings, model)
    was_off = with_books(settings, lambda books: books.brakes.switch_on(model_id))
    click.echo(f"{model_id} is on{'' if was_off else ', and was before'}.")


def _id(settings: Settings, model: str) -> str:
    try:
        return model_ids(catalog_of(settings), [model])[0]
    except ValueError as error:
        raise click.UsageError(str(error)) from None
