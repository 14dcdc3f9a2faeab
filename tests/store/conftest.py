"""Fixtures for what the store decides."""

from tests.support.ledger import lone_team, team  # noqa: F401  fixtures
