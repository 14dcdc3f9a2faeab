"""What a gateway makes of a Redis that another version has used."""

import pytest

from gateway.store.schema import SchemaTooNew, migrate


async def test_a_first_start_notes_the_version(redis_client):
    """An empty Redis, or one from before there were versions, is of the first."""
    await migrate(redis_client)

    assert b"1" == await redis_client.get("schema")


async def test_a_newer_schema_is_refused(redis_client):
    """Nothing is touched, and the message says what to do."""
    await redis_client.set("schema", 7)
    with pytest.raises(SchemaTooNew, match=r"schema 7, this one knows 1.*run that version"):
        await migrate(redis_client)

    assert b"7" == await redis_client.get("schema")


async def test_an_older_schema_is_migrated_step_by_step(redis_client):
    """Each step runs once, in order, and a second start finds nothing to do."""
    done = []

    def step(number):
        async def run(redis):
            done.append(number)
            await redis.set(f"step:{number}", "done")

        return run

    steps = {1: step(1), 2: step(2)}
    await migrate(redis_client, version=3, migrations=steps)
    await migrate(redis_client, version=3, migrations=steps)

    assert [1, 2] == done
    assert b"3" == await redis_client.get("schema")


async def test_a_step_that_fails_is_tried_again(redis_client):
    """The version is raised only when all steps are done."""

    async def fail(_):
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011  any will do
        await migrate(redis_client, version=2, migrations={1: fail})

    assert await redis_client.get("schema") is None
