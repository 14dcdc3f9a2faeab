"""A team's slot on its way to another node of a cluster: scripts run whole or not at all."""

import pytest

from gateway.errors import Unavailable
from gateway.store.connection import RedisTrouble
from tests.support.ledger import team_at
from tests.support.valkey_groups import until_it_works


@pytest.fixture
async def team(own_cluster):
    """Make a team on a cluster whose slots may be moved."""
    async with team_at(own_cluster.url, own_cluster.owner("{art}:team")) as made:
        yield made


async def test_a_script_runs_whole_or_not_at_all_while_a_slot_moves(own_cluster, team):
    """Key by key the records go over; until the last is there nothing is written, and after that all goes on."""
    source = own_cluster.owner("{art}:team")
    target = next(node for node in own_cluster.nodes if node is not source)
    slot = source.call("CLUSTER KEYSLOT", "{art}:team")
    ids = {node: node.call("CLUSTER MYID") for node in (source, target)}
    team.set("team", images_per_day=10)
    led = await team.lead(counts=(2,))

    target.call("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
    source.call("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
    names = sorted(source.call("CLUSTER GETKEYSINSLOT", slot, 1000))
    assert len(names) >= 8
    before = [source.call("DUMP", name) for name in names]
    for name in names:
        with pytest.raises(Unavailable):
            await team.lead()
        with pytest.raises(RedisTrouble):
            await team.deliver(led, images=2)
        source.call("MIGRATE", "127.0.0.1", target.port, name, 0, 5000)
    for node in (target, source):
        node.call("CLUSTER SETSLOT", slot, "NODE", ids[target])

    assert names == sorted(target.call("CLUSTER GETKEYSINSLOT", slot, 1000))
    assert before == [target.call("DUMP", name) for name in names]
    await until_it_works(lambda: team.deliver(led, images=2))
    assert [b"2", b"0"] == target.call("HMGET", "{art}:day:20270310", "team:used", "team:reserved")
    assert [b"40000", b"0"] == target.call("HMGET", "{art}:month:202703", "team:used", "team:reserved")
