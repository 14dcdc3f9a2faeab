"""The yardstick: a Litestar application that does nothing, on the server settings of a gateway worker.

Arguments: the inherited listening socket's descriptor, and the file that is the large reply.
"""

import socket
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar, MediaType, Request, Response, post

ROUTE = "/v1/images/generations"


def create_app(large: bytes) -> Litestar:
    """Build the application; a request for gpt-image-1 is answered with `large`, any other with a short reply."""

    @post(ROUTE, status_code=200)
    async def echo(request: Request[Any, Any, Any]) -> Response[bytes]:
        fields = msgspec.json.decode(await request.body())
        if fields["model"] == "gpt-image-1":
            return Response(large, media_type=MediaType.JSON)
        body = msgspec.json.encode({"created": 0, "data": [{"url": fields["prompt"]}]})
        return Response(body, media_type=MediaType.JSON)

    return Litestar([echo], openapi_config=None, logging_config=None)


if __name__ == "__main__":
    config = uvicorn.Config(
        create_app(Path(sys.argv[2]).read_bytes()),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
