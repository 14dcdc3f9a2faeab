"""Whole gateways as real processes on one Redis, real clients, and the books to compare at the end."""

import asyncio
import base64
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import openai
import redis

from gateway.store.keys import Keys
from tests.support.haste import hasty_catalogue
from tests.support.processes import alive, descendants, until
from tests.support.valkey import gateway_client

LEASE_S = 1.5
ROUNDS = int(os.environ.get("SOAK_ROUNDS", "0"))  # `make soak` sets it; else each test runs a few


def rounds(few):
    """Tell how many rounds to run: a few, or as many as a soak asks for."""
    return max(ROUNDS, few)


def free_port():
    """Find a port that is free just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Gateway:
    """`gateway serve` as people start it; it keeps its port when it is started again."""

    def __init__(self, directory, sandbox, redis_url, *, workers=2, lease_s=LEASE_S, **environ):
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._workers = workers
        self._environ = {
            "AIHUBMIX_API_KEY": sandbox.api_key,
            "AIHUBMIX_BASE_URL": sandbox.base_url,
            "AIHUBMIX_TASKS_URL": sandbox.tasks_url,
            "REDIS_URL": redis_url,
            "GATEWAY_STATE_DIR": str(directory / "state"),
            "GATEWAY_MODELS": str(hasty_catalogue(directory)),
            "GATEWAY_GENERATIONS_LEASE_S": str(lease_s),
            "GATEWAY_GENERATIONS_SWEEP_S": "0.2",
            "GATEWAY_GENERATIONS_CHECK_S": "0.3",
            "GATEWAY_UPSTREAM_BACKOFF_S": "0.05",
            "GATEWAY_REDIS_COMMAND_TIMEOUT_S": "5",
            "GATEWAY_REDIS_CONNECT_TIMEOUT_S": "5",
            "GATEWAY_LIMITS_CIRCUIT_FAILURES": "1000000",
            "GATEWAY_LOG_FORMAT": "json",
        } | environ
        self.process = None

    def start(self):
        """Start it and wait until every worker serves."""
        argv = [sys.executable, "-m", "gateway", "serve", "--port", str(self.port), "--workers", str(self._workers)]
        self._log = (self.directory / "log").open("ab")
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=self._log, text=True, env=os.environ | self._environ
        )
        if not self.process.stdout.readline():
            self._reap()
            raise AssertionError(self.log)
        return self

    @property
    def log(self):
        """All that it has written so far."""
        return (self.directory / "log").read_text()

    def worker(self, chance):
        """Choose the process id of one worker; one that was killed young takes a while to be back."""

        def workers():
            return [pid for pid, command in descendants(self.process.pid).items() if "gateway.worker" in command]

        return chance.choice(until(workers, "a worker", 60))

    def kill(self):
        """Kill the launcher and every worker at once, as a power cut would."""
        pids = [self.process.pid, *descendants(self.process.pid)]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # none of them lives to see another one's end
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        self._reap()
        until(lambda: not any(alive(pid) for pid in pids), "the end of all processes")

    def stop(self):
        """Stop it as an operator does, and wait; it must not have ended by itself."""
        ended = self.process.poll() if self.process else None
        if self.process is not None and ended is None:
            self.process.terminate()
        self._reap()
        assert ended is None, f"the gateway had ended by itself with {ended}: {self.log[-1000:]}"

    def _reap(self):
        if self.process is not None:
            self.process.wait(60)
            self.process.stdout.close()
            self._log.close()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


@dataclass(frozen=True)
class Seen:
    """What a client got in the end: its pictures, or the code of an error."""

    prompt: str
    pictures: tuple[bytes, ...] = ()
    error: str | None = None
    cache: str | None = None


def client_of(url, key, *, headers=None, **options):
    """Make the official client; patient enough to outlast a restart."""
    patience = {"max_retries": 12, "timeout": httpx.Timeout(40, connect=5)}
    once = {"connection": "close"}  # there is nobody to close it in the end
    return openai.OpenAI(
        base_url=f"{url}/v1", api_key=key, default_headers=once | (headers or {}), **(patience | options)
    )


def ask(client, prompt, *, model="flux-kontext-pro", **fields):
    """Ask for pictures and tell what came of it, whatever it is."""
    try:
        raw = client.images.with_raw_response.generate(model=model, prompt=prompt, **fields)
    except openai.APIStatusError as error:
        return Seen(prompt, error=str(error.code))
    except openai.APIConnectionError as error:
        return Seen(prompt, error=type(error).__name__)
    pictures = tuple(base64.b64decode(item.b64_json) for item in raw.parse().data)
    return Seen(prompt, pictures, cache=raw.headers["x-gateway-cache"])


@contextlib.contextmanager
def asking(client, prompts, **fields):
    """Ask for all prompts at the same time; yields the futures of what is seen."""
    with ThreadPoolExecutor(len(prompts)) as pool:
        yield [pool.submit(ask, client, prompt, **fields) for prompt in prompts]


def submits(sandbox):
    """Count the paid calls by prompt."""
    counted = Counter()
    for call in sandbox.calls:
        if call.billable:
            counted[call.body.get("input", call.body)["prompt"]] += 1
    return counted


def mint(redis_url, team="art", **options):
    """Make a key; returns (id, secret)."""

    async def create():
        async with gateway_client(redis_url) as redis:
            made = await Keys(redis).create(team, **options)
            return made.id, made.secret

    return asyncio.run(create())


def limit(valkey, team, key_id=None, **limits):
    """Limit a team, or one of its keys."""
    with valkey.client() as client:
        client.hset(f"{{{team}}}:key:{key_id}" if key_id else f"{{{team}}}:team", mapping=limits)


class Books:
    """What the ledger of a team says, read from behind."""

    def __init__(self, valkey, team="art"):
        self._valkey = valkey
        self._team = team

    def _read(self, work):
        with self._valkey.client() as client:
            return work(client)

    def _names(self, client, pattern):
        nodes = {"target_nodes": "primaries"} if isinstance(client, redis.RedisCluster) else {}
        return client.keys(f"{{{self._team}}}:{pattern}", **nodes)

    def under_way(self):
        """Count the generations that have not ended."""
        return self._read(lambda client: client.zcard(f"{{{self._team}}}:due"))

    def windows(self):
        """Sum up what days and months hold: (images reserved, images used, dollars reserved, dollars used)."""

        def read(client):
            totals = Counter()
            for kind in ("day", "month"):
                for name in self._names(client, f"{kind}:*"):
                    for field in ("reserved", "used"):
                        totals[kind, field] += int(client.hget(name, f"team:{field}") or 0)
            return totals

        return self._read(read)

    def counted(self):
        """Sum up the counters of all days by what they count."""

        def read(client):
            totals = Counter()
            for name in self._names(client, "usage:*"):
                for field, value in client.hgetall(name).items():
                    totals[field.decode().rpartition("|")[2]] += int(value)
            return totals

        return self._read(read)

    def streamed(self):
        """Sum up the stream of settlements."""

        def read(client):
            totals = Counter()
            for _, entry in client.xrange(f"{{{self._team}}}:usage"):
                for what in ("generations", "images", "unknown", "failures", "cost", "spare"):
                    totals[what] += int(entry[what.encode()])
            return totals

        return self._read(read)

    def records(self):
        """Read every generation's record that is still kept."""

        def read(client):
            found = {name: client.hgetall(name) for name in self._names(client, "gen:*")}
            return {
                name.decode().rpartition(":")[2]: {k.decode(): v.decode() for k, v in record.items()}
                for name, record in found.items()
                if record  # else it went away in between
            }

        return self._read(read)

    def balance(self):
        """Wait until nothing is under way, and check that windows, counters and stream agree; returns the counters."""
        until(lambda: self.under_way() == 0, "the end of all generations", 60)
        counted, streamed, windows = self.counted(), self.streamed(), self.windows()
        assert {what: counted[what] for what in streamed} == dict(streamed)
        assert 0 == windows["day", "reserved"]
        assert 0 == windows["month", "reserved"]
        assert windows["day", "used"] == counted["images"] + counted["unknown"]
        assert windows["month", "used"] == counted["cost"]
        return counted
