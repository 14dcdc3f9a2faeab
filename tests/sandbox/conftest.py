"""The sandbox under test."""

from tests.support.sandbox import sandbox, sandbox_server  # noqa: F401  fixtures
