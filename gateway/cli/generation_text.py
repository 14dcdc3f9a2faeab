"""Generations as text: tables and a page. Times come in unix ms."""

from collections.abc import Sequence

from gateway.cli.text import as_page, as_table, moment
from gateway.store.entries import Entry
from gateway.store.generation_record import GenerationRecord
from gateway.store.generations import Told
from gateway.store.money import in_dollars


def records_table(found: Sequence[GenerationRecord], now_ms: int) -> str:
    """Write a line for each generation that is not settled."""
    rows = [("ID", "TEAM", "KEY", "MODEL", "STATE", "AGE", "LEASE", "EPOCH", "PARTS", "ESTIMATE USD")]
    for record in found:
        parts = ",".join(part.state for part in record.parts)
        estimate = "-" if record.estimate is None else f"{in_dollars(record.estimate):f}"
        age = _span(now_ms - record.at)
        state = "unknown" if record.unknown and record.state != "open" else record.state
        rows.append(
            (
                record.id,
                record.team,
                record.key,
                record.model,
                state,
                age,
                _lease(record, now_ms),
                str(record.epoch),
                parts,
                estimate,
            )
        )
    return as_table(rows)


def _lease(record: GenerationRecord, now_ms: int) -> str:
    if record.lease_until is None:
        return "-"
    left_ms = record.lease_until - now_ms
    return _span(left_ms) if left_ms >= 0 else f"over {_span(-left_ms)}"


def entries_table(entries: Sequence[Entry]) -> str:
    """Write a line for each entry of the books."""
    rows = [("WHEN", "ID", "TEAM", "KEY", "MODEL", "WHAT", "IMAGES", "COST USD", "BY", "NOTE")]
    for entry in entries:
        when = moment(entry.at // 1000)
        what = "failed" if entry.failures else "unknown" if entry.kind == "settled" and entry.unknown else entry.kind
        cost = f"{in_dollars(entry.cost):f}"
        rows.append(
            (
                when,
                entry.id,
                entry.team,
                entry.key,
                entry.model,
                what,
                str(entry.images),
                cost,
                entry.by or "-",
                entry.note or "-",
            )
        )
    return as_table(rows)


def page(told: Told, now_ms: int) -> str:
    """Write all that is known of one generation."""
    record = told.record
    if record is None:
        head = f"The record of {told.id} (team {told.team}) is no longer kept. Its entries:"
        return f"{head}\n\n{entries_table(told.entries)}"
    facts = {
        "id": record.id,
        "team": record.team,
        "key": record.key,
        "model": record.model,
        "user": record.user or None,
        "state": record.state,
        "asked at": moment(record.at // 1000),
        "ended at": moment(record.ended // 1000) if record.ended else None,
        "resolved at": moment(record.resolved // 1000) if record.resolved else None,
        "client left": moment(record.left // 1000) if record.left else None,
        "lease": _lease(record, now_ms) if record.lease_until else None,
        "epoch": str(record.epoch),
        "images": f"{record.images} of {record.n}",
        "estimate": None if record.estimate is None else f"${in_dollars(record.estimate):f}",
        "cost": f"${in_dollars(record.cost):f}" if record.ended else None,
        "error": record.error,
    }
    for index, part in enumerate(record.parts, 1):
        task = f", task {part.task}" if part.task else ""
        facts[f"part {index}"] = f"{part.state}, {part.images} of {part.asked} images, ${in_dollars(part.cost):f}{task}"
    page = as_page(facts)
    return f"{page}\n\n{entries_table(told.entries)}" if told.entries else page


def _span(ms: int) -> str:
    """Write a span of time in its two largest units."""
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    first = next((index for index, (amount, _) in enumerate(parts) if amount), 3)
    return "".join(f"{amount}{unit}" for amount, unit in parts[first : first + 2])
