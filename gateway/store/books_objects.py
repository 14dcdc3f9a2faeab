"""Usage, generations and settlements as programs are given them, on the command line as well as over HTTP.

Times are unix seconds, money is a decimal number of dollars.
"""

import csv
import io
from typing import Any

import msgspec

from gateway.store.brakes import BrakeState, Spent
from gateway.store.entries import Entry
from gateway.store.generation_record import GenerationRecord
from gateway.store.generations import Told
from gateway.store.journal import Resolved
from gateway.store.money import in_dollars
from gateway.store.reconciliation import Proof
from gateway.store.usage import Report, Totals

_MONEY = {"cost", "spare", "estimate", "was", "charged"}
_TIMES = {"at", "ended", "left", "resolved", "lease_until"}


def report_object(report: Report) -> dict[str, Any]:
    """Tell a report: lines, each named by `by`, and their sum."""
    lines = [{report.by: line.name, **_outside(line.totals)} for line in report.lines]
    return {
        "since": report.since,
        "until": report.until,
        "by": report.by,
        "lines": lines,
        "total": _outside(report.total),
    }


def report_csv(report: Report) -> str:
    """Write the lines of a report, without their sum, under a head."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([report.by, *_outside(Totals())])
    for line in report.lines:
        writer.writerow(
            [
                line.name,
                *(f"{value:f}" if name.endswith("_usd") else value for name, value in _outside(line.totals).items()),
            ]
        )
    return out.getvalue()


def generation_object(record: GenerationRecord) -> dict[str, Any]:
    """Tell all of a generation."""
    told = _outside(record)
    told["parts"] = [_outside(part) for part in record.parts]
    return told


def entry_object(entry: Entry) -> dict[str, Any]:
    """Tell by how much an event moved the books."""
    return _outside(entry)


def told_object(told: Told) -> dict[str, Any]:
    """Tell what is known of one generation."""
    return {
        "id": told.id,
        "team": told.team,
        "generation": generation_object(told.record) if told.record else None,
        "entries": [entry_object(entry) for entry in told.entries],
    }


def resolved_object(name: str, resolved: Resolved) -> dict[str, Any]:
    """Tell how a dispute ended."""
    told = _outside(resolved)
    return {"id": name, **{field: told[field] for field in ("was_usd", "charged_usd", "cost_usd")}}


def proof_object(proof: Proof) -> dict[str, Any]:
    """Tell what was compared, and each difference; amounts of money are in micro-dollars, as Redis holds them."""
    return msgspec.structs.asdict(proof) | {"differences": [msgspec.structs.asdict(one) for one in proof.differences]}


def brakes_object(state: BrakeState, spent: Spent) -> dict[str, Any]:
    """Tell the brakes; `month` is the one that `used_usd` and `reserved_usd` belong to, while there is a budget."""
    counted = state.budget is not None
    return {
        "budget_usd_per_month": None if state.budget is None else in_dollars(state.budget),
        "month": f"{spent.month[:4]}-{spent.month[4:]}",
        "used_usd": in_dollars(spent.used) if counted else None,
        "reserved_usd": in_dollars(spent.reserved) if counted else None,
        "off": state.off,
    }


def _outside(value: msgspec.Struct) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, held in msgspec.structs.asdict(value).items():
        if name in _MONEY:
            told[f"{name}_usd"] = None if held is None else in_dollars(held)
        elif name in _TIMES:
            told[name] = None if held is None else held / 1000
        else:
            told[name] = held
    return told
