"""What the HTTP status of a billable call proves; `gateway.upstream.failures` judges by it, dialects word it."""

REFUSED = frozenset({429, 503})
"""Turned away before acceptance: nothing was bought."""

UNANSWERED = frozenset({408, 502, 504, *range(520, 528)})
"""Said by an intermediary that gave up on what lies behind it (52x: Cloudflare), where the work may go on; 408 is how
some say that they gave up themselves."""
