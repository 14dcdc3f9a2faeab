"""The gateway in a thread of this process, on a real port, with a real Valkey and the sandbox upstream."""

import asyncio
import concurrent.futures
import socket
import threading

import httpx
import msgspec
import openai
import pytest
import uvicorn

from gateway.app import create_app
from gateway.http_protocol import HttpProtocol
from gateway.settings import load_settings
from gateway.store.keys import Keys
from tests.support.valkey import gateway_client

_PATIENCE_S = 20


def settings_for(sandbox, valkey_url, **flags):
    """Make the settings that point at the test's own parts; `flags` are given as section__key=value."""
    named = {name.replace("__", "."): value for name, value in flags.items()}
    return load_settings(
        {},
        {
            "upstream.api_key": sandbox.api_key,
            "upstream.base_url": sandbox.base_url,
            "upstream.tasks_url": sandbox.tasks_url,
            "upstream.backoff_s": 0.01,
            "download.backoff_s": 0.01,
            "redis.url": valkey_url,
            "redis.command_timeout_s": 5,  # a loaded machine is no dead Redis
            "redis.connect_timeout_s": 5,
        }
        | named,
    )


class _Server(uvicorn.Server):
    def __init__(self, config, ready):
        super().__init__(config)
        self._when_ready = ready

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self._when_ready.set_result(asyncio.get_running_loop())


class RunningGateway:
    """Serves an app in a thread: `with RunningGateway(settings) as gateway: ...`, from sync and async code."""

    def __init__(self, settings, protocol=HttpProtocol, **parts):
        self.settings = settings
        self._parts = parts
        self._protocol = protocol
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._ready = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self):
        try:
            app = create_app(self.settings, **self._parts)
            config = uvicorn.Config(app, loop="uvloop", http=self._protocol, log_config=None, access_log=False)
            self._server = _Server(config, self._ready)
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # noqa: BLE001  it belongs to the waiting test
            self._ready.set_exception(error)

    def __enter__(self):
        self._thread.start()
        self._ready.result(_PATIENCE_S)
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join(_PATIENCE_S)
        assert not self._thread.is_alive(), "the gateway did not stop"

    def narrow(self):
        """Let the kernel hold little of what a client does not read; to be called before it serves."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    def key(self, team="art", **rights):
        """Mint a key."""

        async def create():
            async with gateway_client(self.settings.redis.url) as redis:
                return (await Keys(redis).create(team, **rights)).secret

        return asyncio.run(create())

    def revoke(self, key):
        """End a key."""

        async def revoke():
            async with gateway_client(self.settings.redis.url) as redis:
                await Keys(redis).revoke(key.split("-")[2])

        asyncio.run(revoke())

    def http(self, key=None):
        """Make a plain HTTP client."""
        presented = key.encode() if isinstance(key, str) else key
        headers = {"authorization": b"Bearer " + presented} if presented else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False, verify=False)

    def openai(self, key, **options):
        """Make the official client."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=30, **options)


@pytest.fixture
def gateway(sandbox, valkey_url):
    """Give a fresh gateway before the sandbox."""
    with RunningGateway(settings_for(sandbox, valkey_url)) as running:
        yield running


@pytest.fixture
def key(gateway):
    """Give a working API key of the team `art`."""
    return gateway.key()


def envelope(response):
    """Take an error response apart, having checked that it is one; returns (status, type, code, param)."""
    body = response.json()
    assert set(body) == {"error"}, body
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}, body
    assert isinstance(error["message"], str)
    assert error["message"]
    assert response.headers["x-request-id"].startswith("req_")
    assert error["code"] is None or isinstance(error["code"], str)
    return response.status_code, error["type"], error["code"], error["param"]


def message(response):
    """Take the message of an error response."""
    return msgspec.json.decode(response.content)["error"]["message"]
