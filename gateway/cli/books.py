"""The books as commands keep and read them."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.cli.stored import with_redis
from gateway.settings import Settings
from gateway.store.brakes import Brakes
from gateway.store.connection import Client
from gateway.store.generations import GenerationRecords
from gateway.store.ledger import Ledger
from gateway.store.reconciliation import Reconciliation
from gateway.store.rules import rules_of
from gateway.store.scripts import Scripts
from gateway.store.usage import UsageReports

T = TypeVar("T")


class Books:
    """The parts of the store that tell what was used, and what of it is not settled."""

    def __init__(self, redis: Client, settings: Settings) -> None:
        scripts = Scripts(redis)
        self.redis = redis
        self.ledger = Ledger(scripts, redis, rules_of(settings))
        self.usage = UsageReports(redis)
        self.generations = GenerationRecords(redis, self.ledger)
        self.reconciliation = Reconciliation(redis, scripts, retention_days=settings.usage.retention_days)
        self.brakes = Brakes(redis, scripts)


def with_books(settings: Settings, work: Callable[[Books], Awaitable[T]]) -> T:
    """Do `work` on the books; raises what `with_redis` does."""
    return with_redis(settings, lambda redis: work(Books(redis, settings)))
