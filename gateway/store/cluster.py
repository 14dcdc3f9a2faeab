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
from redis.exceptions import AskError, ClusterDownError, ClusterError, MovedError, RedisClusterException
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig
from redis.typing import EncodableT

from gateway.store.exchange import Command, exchange

_ASKING: Command = ("ASKING",)
_OF_MANY_KEYS = {"EVALSHA", "EVAL"}  # where ASK leads, some of their keys are still missing
_REDIRECTIONS = 8
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
        self._turns = asyncio.Semaphore(max_connections)
        self._pool_timeout_s = pool_timeout_s
        self._suspect: str | None = None
        self._attempt: asyncio.Task[None] | None = None
        kind = _TlsNodeConnection if options.get("ssl") else _NodeConnection
        self.nodes_manager.connection_kwargs["connection_class"] = kind
        self._seeds = dict(self.nodes_manager.startup_nodes)
        for node in self._seeds.values():
            node.connection_class = kind

    async def initialize(
        self,
        additional_startup_nodes_info: list[tuple[str, int]] | None = None,
        last_failed_node_name: str | None = None,
    ) -> RedisCluster:
        """Learn the layout if need be, from the nodes last known or the seeds: all addresses may have changed.

        Callers share the first one's attempt and what becomes of it: one after the other, each would wait for all nodes
        that are away, and for the attempts of all before it.
        """
        if self._initialize:
            if self._attempt is None:
                failed = last_failed_node_name or self._suspect
                self._attempt = asyncio.ensure_future(self._learn(additional_startup_nodes_info, failed))
                self._attempt.add_done_callback(self._attempted)
            attempt = self._attempt
            try:
                await asyncio.shield(attempt)
            except asyncio.CancelledError:
                if attempt.cancelled():  # and not whoever waits
                    raise RedisConnectionError("The client has been closed.") from None
                raise
        return self

    async def _learn(self, additional: list[tuple[str, int]] | None, failed: str | None) -> None:
        self.nodes_manager.startup_nodes = self._seeds | self.nodes_manager.startup_nodes
        try:
            await super().initialize(additional, failed)
        except (AttributeError, LookupError) as error:
            raise RedisClusterException("A node of the cluster told no layout.") from error

    def _attempted(self, attempt: asyncio.Task[None]) -> None:
        self._attempt = None
        if not attempt.cancelled():
            attempt.exception()  # those who wait may all have been cancelled

    async def aclose(self) -> None:
        """Close all connections."""
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.wait([self._attempt])
        self._initialize = False  # after trouble it is true, and redis-py takes that for "nothing is open"
        await super().aclose()

    async def execute_command(self, *args: EncodableT, **kwargs: Any) -> Any:
        """Run one command where its key is; raises RedisError, RedisClusterException or OSError."""
        async with self.turn():
            return await super().execute_command(*args, **kwargs)

    async def exchange(self, key: str, commands: Sequence[Command], last_takes_s: float = 0) -> list[Any]:
        """Send `commands` together to the node of `key`, as `exchange.exchange` does, and follow its redirections.

        What the first of them answers decides: a redirection says that it did not run. While its slot moves, a script
        is not run at all: ASK is its answer.
        """
        async with self.turn():
            node, asking = self._node_of(key), False
            for _ in range(_REDIRECTIONS):
                sent = [_ASKING, *commands] if asking else commands
                replies = (await self._exchange(node, sent, last_takes_s))[len(sent) - len(commands) :]
                match replies[0]:
                    case MovedError() as moved:
                        await self.nodes_manager.move_slot(moved)
                        node, asking = self._node_of(key), False
                    case AskError() as elsewhere if commands[0][0] not in _OF_MANY_KEYS:
                        node, asking = self._node_at(elsewhere.host, elsewhere.port), True
                    case ClusterDownError():
                        self._look_beyond(node)
                        return replies
                    case _:
                        return replies
        raise ClusterError(f"More than {_REDIRECTIONS} redirections.")

    async def _exchange(self, node: ClusterNode, commands: Sequence[Command], last_takes_s: float) -> list[Any]:
        connection = node.acquire_connection()
        try:
            await node.disconnect_if_needed(connection)
            return await exchange(connection, commands, last_takes_s)
        except (RedisConnectionError, RedisTimeoutError, OSError):
            self._look_beyond(node)
            raise
        finally:
            node.release(connection)

    def _look_beyond(self, node: ClusterNode) -> None:
        # Another may have taken over: ask one that is well before the next command.
        self.nodes_manager.move_node_to_end_of_cached_nodes(node.name)
        self._suspect, self._initialize = node.name, True

    def _node_of(self, key: str) -> ClusterNode:
        return self.nodes_manager.get_node_from_slot(self.keyslot(key))

    def _node_at(self, host: str, port: int) -> ClusterNode:
        node = self.get_node(host, port)
        if node is None:  # one that has no slot yet, and so is in no layout
            node = ClusterNode(host, port, **self.nodes_manager.connection_kwargs)
            self.nodes_manager.set_nodes(self.nodes_manager.nodes_cache, {node.name: node})
        return node

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for leave to use one connection of each node, and know the layout: redis-py would take any node."""
        await self.initialize()  # before the turn: who waits for one shares in the attempt
        try:
            async with asyncio.timeout(self._pool_timeout_s):
                await self._turns.acquire()
        except TimeoutError:
            raise RedisConnectionError("No connection available.") from None
        try:
            await self.initialize()  # after it: there may have been trouble meanwhile
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
