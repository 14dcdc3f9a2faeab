"""Keys and teams as the objects that programs are given, on the command line as well as over HTTP.

Times are unix seconds, money is a decimal number of dollars, and a limit that is none is null.
"""

from typing import Any

import msgspec

from gateway.store.key_record import CreatedKey, KeyRecord
from gateway.store.limits import outside
from gateway.store.teams import TeamRecord

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def key_object(key: KeyRecord, now: float) -> dict[str, Any]:
    """Tell all of a key, its state at `now` and, of a new one, `key`: the secret."""
    told = msgspec.structs.asdict(key)
    secret = {"key": told.pop("secret")} if isinstance(key, CreatedKey) else {}
    limits = outside(told.pop("limits"))
    return {**secret, **told, **limits, "state": key.state(now)}


def team_object(team: TeamRecord) -> dict[str, Any]:
    """Tell all of a team."""
    return {"team": team.team, "created": team.created, **outside(team.limits)}


def encode(value: Any) -> bytes:
    """Write JSON; a Decimal becomes the number that it is, digit by digit."""
    return _ENCODER.encode(value)
