"""The answers that a browser gets: a page, or the way to another one."""

from litestar import MediaType, Response

from gateway.api.pages.assets import POLICY

_PRIVATE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


def page(html: bytes, status: int = 200, **headers: str) -> Response[bytes]:
    """Answer with a page that may do nothing but what POLICY says."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(
        html,
        status_code=status,
        media_type=MediaType.HTML,
        headers={**_PRIVATE, "content-security-policy": POLICY, **named},
    )


def see_other(path: str, status: int = 303) -> Response[bytes]:
    """Lead the browser to another page of ours."""
    return Response(b"", status_code=status, media_type=MediaType.TEXT, headers={**_PRIVATE, "location": path})
