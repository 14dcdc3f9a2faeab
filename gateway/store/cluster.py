"""A Redis Cluster as the gateway needs it: no command twice, callers that wait for a connection, and no surprises."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException
from redis.maint_notifications import MaintNotificationsConfig
from redis.typing import EncodableT

_OTHERS = 4  # connections to a node beside those of callers: for the layout, and for a subscription


class Cluster(RedisCluster):
    """A client of all nodes, which learns from the `seeds` who they are.

    A command follows MOVED and ASK, which say that it did not run; after a lost reply it is never sent again, and
    the layout is read anew before the next one. At most `max_connections` commands are under way at once; others
    wait `pool_timeout_s` seconds for their turn. `options` are redis-py's, for each connection.
    """

    def __init__(
        self, seeds: Sequence[tuple[str, int]], *, max_connections: int, pool_timeout_s: float, **options: Any
    ) -> None:
        super().__init__(
            startup_nodes=[ClusterNode(host, port) for host, port in seeds],
            max_connections=max_connections + _OTHERS,
            retry=Retry(NoBackoff(), 0),
            # Reading the layout anew on MOVED closes connections on which other commands wait for their replies.
            reinitialize_steps=0,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            **options,
        )
        self._seeds = list(seeds)
        self._turns = asyncio.Semaphore(max_connections)
        self._pool_timeout_s = pool_timeout_s
        kind = _TlsNodeConnection if options.get("ssl") else _NodeConnection
        self.nodes_manager.connection_kwargs["connection_class"] = kind
        for node in self.nodes_manager.startup_nodes.values():
            node.connection_class = kind

    async def initialize(
        self,
        additional_startup_nodes_info: list[tuple[str, int]] | None = None,
        last_failed_node_name: str | None = None,
    ) -> RedisCluster:
        """Learn the layout if need be: from the nodes last known, else from the seeds, whose names may lead on."""
        return await super().initialize(
            additional_startup_nodes_info=[*(additional_startup_nodes_info or ()), *self._seeds],
            last_failed_node_name=last_failed_node_name,
        )

    async def execute_command(self, *args: EncodableT, **kwargs: Any) -> Any:
        """Run one command where its key is; raises RedisError, RedisClusterException or OSError."""
        async with self.turn():
            return await super().execute_command(*args, **kwargs)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for leave to use one connection of each node."""
        try:
            async with asyncio.timeout(self._pool_timeout_s):
                await self._turns.acquire()
        except TimeoutError:
            raise RedisConnectionError("No connection available.") from None
        try:
            yield
        except (AttributeError, LookupError) as error:
            # redis-py looks nodes up in a layout that another task may just have dropped, and finds None.
            raise RedisClusterException("The layout of the cluster changed under a command.") from error
        finally:
            self._turns.release()


class _NodeConnection(Connection):
    def should_reconnect(self) -> bool:
        """Notice a connection that the server has closed before a command goes out on it and is lost."""
        return bool(super().should_reconnect()) or _ended(self._reader)  # type: ignore[no-untyped-call]


class _TlsNodeConnection(_NodeConnection, SSLConnection):
    pass


def _ended(reader: asyncio.StreamReader | None) -> bool:
    return reader is not None and (reader.at_eof() or reader.exception() is not None)
