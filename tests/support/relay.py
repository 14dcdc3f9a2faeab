"""A TCP relay in front of a Redis, which can lose a reply."""

import asyncio
import contextlib
from dataclasses import dataclass, field


@dataclass
class Relay:
    """Where it listens, and what went through it to the server."""

    port: int
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def relayed(target, cut_at=None):
    """Relay to `target`, the path of a unix socket or a port of 127.0.0.1.

    A request that holds `cut_at` still reaches the server, but when the reply comes, the connection is closed
    instead of passing it on.
    """
    tasks = set()

    async def handle(reader, writer):
        tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            await pass_on(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def pass_on(reader, writer):
        if isinstance(target, int):
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", target)
        else:
            server_reader, server_writer = await asyncio.open_unix_connection(target)
        cutting = False

        async def back():
            while (reply := await server_reader.read(65536)) and not cutting:
                writer.write(reply)
            writer.close()

        async with asyncio.TaskGroup() as both:
            both.create_task(back())
            while request := await reader.read(65536):
                relay.requests.append(request)
                cutting = bool(cut_at) and cut_at in request
                server_writer.write(request)
                if cutting:
                    break
            if not cutting:
                server_writer.close()
        server_writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    relay = Relay(server.sockets[0].getsockname()[1])
    yield relay
    server.close()
    await asyncio.gather(*tasks)
