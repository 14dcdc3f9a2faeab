"""Parts that are made of settings alone; `app` puts them together."""

import random
import time
from urllib.parse import urlsplit

import httpx

from gateway.generation.delivery import Delivery
from gateway.generation.driver import Driver
from gateway.generation.pictures import Pictures
from gateway.settings import Settings
from gateway.store.connection import Client
from gateway.store.secrets import Signer, signing_key
from gateway.telemetry.events import Emit
from gateway.upstream.addresses import refuse_private
from gateway.upstream.client import Upstream
from gateway.upstream.download import Downloader
from gateway.upstream.transport import AiohttpTransport


def make_upstream(settings: Settings, transport: httpx.AsyncBaseTransport | None) -> Upstream:
    """Make the client of Aihubmix; tests pass a transport."""
    return Upstream(
        transport=transport or _transport(settings),
        base_url=settings.upstream.base_url,
        tasks_url=settings.upstream.tasks_url,
        api_key=settings.upstream.api_key,
        connect_timeout_s=settings.upstream.connect_timeout_s,
        pool_timeout_s=settings.upstream.pool_timeout_s,
        max_reply_bytes=settings.upstream.max_reply_bytes,
    )


def _transport(settings: Settings) -> AiohttpTransport:
    return AiohttpTransport(limit=settings.upstream.max_connections, keepalive_s=settings.upstream.keepalive_s)


def make_downloader(settings: Settings, transport: httpx.AsyncBaseTransport | None) -> Downloader:
    """Make what fetches pictures, by a proxy where one is set; tests pass a transport."""
    proxy = settings.download.proxy
    public = AiohttpTransport(
        limit=settings.upstream.max_connections,
        keepalive_s=settings.upstream.keepalive_s,
        proxy=proxy or None,
        guard=None if proxy else refuse_private,  # behind a proxy the only address seen is the proxy's
    )
    return Downloader(
        trusted_origins={_origin(settings.upstream.base_url), _origin(settings.upstream.tasks_url)},
        trusted=transport or _transport(settings),
        public=transport or public,
        allowed_hosts=settings.download.proxy_hosts if proxy else None,
        max_bytes=settings.download.max_bytes,
        timeout_s=settings.download.timeout_s,
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def make_driver(settings: Settings, upstream: Upstream, emit: Emit) -> Driver:
    """Make what runs dialects."""
    return Driver(
        upstream,
        attempts=settings.upstream.attempts,
        backoff_s=settings.upstream.backoff_s,
        jitter=settings.polling.jitter,
        clock=time.monotonic,
        random=random.random,
        emit=emit,
    )


def make_delivery(settings: Settings, downloader: Downloader, pictures: Pictures, emit: Emit) -> Delivery:
    """Make what brings pictures in."""
    return Delivery(
        downloader,
        pictures,
        patience_s=settings.download.patience_s,
        backoff_s=settings.download.backoff_s,
        clock=time.monotonic,
        emit=emit,
    )


class StoredSigner:
    """Gives the signer. Fetches the signing key once, on first use."""

    def __init__(self, redis: Client, settings: Settings) -> None:
        self._redis = redis
        self._configured = settings.server.signing_key
        self._known: Signer | None = None

    async def __call__(self) -> Signer:
        """Fetch it, if it is not known yet. Raises Unavailable while Redis does not answer."""
        if self._known is None:
            self._known = Signer(await signing_key(self._redis, self._configured))
        return self._known
