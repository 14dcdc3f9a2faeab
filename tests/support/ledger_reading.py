"""What stands in the ledger's books, read behind its back."""

TEAM = "art"


async def state_of(worker, generation_id):
    """Tell how a generation stands; None where it is no longer known."""
    state = await worker.redis.hget(f"{{{TEAM}}}:gen:{generation_id}", "state")
    return state and state.decode()


async def part_states(worker, generation_id):
    """Tell how its parts stand, in order."""
    held = await worker.redis.hgetall(f"{{{TEAM}}}:gen:{generation_id}")
    return [value.decode() for name, value in sorted(held.items()) if name[:1] == b"p" and name[1:].isdigit()]


async def booked(worker):
    """Sum the counters of all days, keys and models, by what they count."""
    told = {}
    async for name in worker.redis.scan_iter(f"{{{TEAM}}}:usage:*"):
        for field, count in (await worker.redis.hgetall(name)).items():
            what = field.decode().rpartition("|")[2]
            told[what] = told.get(what, 0) + int(count)
    return {what: count for what, count in told.items() if count}


async def reserved(worker):
    """Tell what the team has set aside: images of the day, micro-dollars of the month."""
    return await _windows(worker, "reserved")


async def used(worker):
    """Tell what the team has used: images of the day, micro-dollars of the month."""
    return await _windows(worker, "used")


async def _windows(worker, which):
    sums = []
    for window in ("day", "month"):
        total = 0
        async for name in worker.redis.scan_iter(f"{{{TEAM}}}:{window}:*"):
            total += int(await worker.redis.hget(name, f"team:{which}") or 0)
        sums.append(total)
    return tuple(sums)
