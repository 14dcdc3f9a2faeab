"""`x-ratelimit-*`: what a key may still ask for, as OpenAI spells it."""

from gateway.store.journal import Verdict


def ratelimit_headers(verdict: Verdict) -> dict[str, str]:
    """Tell limit, remaining and reset of requests and images, where there are such limits."""
    headers = {}
    for what, allowance in (("requests", verdict.requests), ("images", verdict.images)):
        if allowance is not None:
            headers[f"x-ratelimit-limit-{what}"] = str(allowance.limit)
            headers[f"x-ratelimit-remaining-{what}"] = str(allowance.remaining)
            headers[f"x-ratelimit-reset-{what}"] = go_duration(allowance.reset_ms)
    return headers


def go_duration(ms: int) -> str:
    """Write milliseconds as Go's `time.Duration` does: `120ms`, `1.5s`, `6m0s`, `23h59m59s`."""
    if ms < 1000:
        return f"{ms}ms" if ms else "0s"
    hours, rest = divmod(ms, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{f'{hours}h' if hours else ''}{f'{minutes}m' if hours or minutes else ''}{seconds}"
