"""The command line in this process, on a real Valkey."""

import asyncio
import sys
import time
from typing import NamedTuple

import pytest

from gateway.cli import main
from tests.support.books import Books
from tests.support.valkey import gateway_client


class Printed(NamedTuple):
    stdout: str
    stderr: str


@pytest.fixture
def command(valkey_url, capsys, monkeypatch):
    """Run `gateway ...` on an empty Valkey; returns what it printed, once its exit code is as told."""

    def run(*arguments, code=0, **environ):
        with monkeypatch.context() as process:
            for name, value in ({"REDIS_URL": valkey_url, "AIHUBMIX_API_KEY": "sk-1"} | environ).items():
                process.setenv(name, value)
            process.setattr(sys, "argv", ["gateway", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        printed = capsys.readouterr()
        assert ended.value.code == code, printed
        return Printed(printed.out, printed.err)

    return run


@pytest.fixture
def in_books(valkey_url):
    """Run `work(books)` at the present time, and give what it returns."""

    def run(work):
        async def connected():
            redis = gateway_client(valkey_url)
            books = Books(redis)
            books.clock.now = time.time_ns() // 10**9
            try:
                return await work(books)
            finally:
                await redis.aclose()

        return asyncio.run(connected())

    return run
