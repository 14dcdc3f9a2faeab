"""What `gateway serve` says to the person who started it."""

from urllib.parse import urlsplit

from gateway import __version__
from gateway.settings import Settings

SANDBOX_WARNING = """\
****************************************************************************
*  SANDBOX: AIHUBMIX_API_KEY is not set, so every picture is a simulated   *
*  one from this machine. Nothing is bought. Set AIHUBMIX_API_KEY and      *
*  start again to draw with the real models.                               *
****************************************************************************"""


def banner(
    settings: Settings,
    url: str,
    *,
    sandbox: bool,
    embedded: bool,
    secret: str,
    metrics_url: str = "",
    owner: int | None = None,
) -> str:
    """Tell where the gateway serves, what it serves from, and how to use it; `secret` is an API key or "".

    `metrics_url` is where metrics have a listener of their own, else ""; `owner` is the process of another gateway
    whose embedded store this one uses, if it does.
    """
    workers = f"{settings.server.workers} worker{'s' if settings.server.workers > 1 else ''}"
    upstream = f"SANDBOX, simulated pictures ({settings.upstream.base_url})" if sandbox else settings.upstream.base_url
    shared = f", shared with the gateway of process {owner}: the same keys, cache and books" if owner else ""
    store = f"{settings.server.state_dir} (embedded{shared})" if embedded else _without_secrets(settings.redis.url)
    lines = [
        f"Aihubmix image gateway {__version__}",
        f"  serving   {url}/v1  ({workers})",
        f"  upstream  {upstream}",
        f"  state     {store}",
        *([f"  metrics   {metrics_url}/metrics"] if metrics_url else []),
        "",
    ]
    if secret:
        lines += [f"export OPENAI_BASE_URL={url}/v1", f"export OPENAI_API_KEY={secret}"]
    else:
        lines.append("Make a key for it:  gateway keys create --team TEAM")
    return "\n".join(lines)


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
