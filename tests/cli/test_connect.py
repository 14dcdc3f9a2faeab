"""The store for a command: configured, running, or started for the moment."""

from gateway.cli.connect import located, state_redis
from gateway.settings import load_settings
from gateway.store.embedded import Embedded


def test_a_configured_redis_is_used():
    """As it is written, and nothing is started."""
    with located(load_settings({"REDIS_URL": "redis://h:1"})) as found:
        assert found.redis.url == "redis://h:1"


async def test_what_one_command_wrote_the_next_one_reads(tmp_path):
    """Without any Redis a server is started for each command, on the same data."""
    settings = load_settings({"GATEWAY_STATE_DIR": str(tmp_path / "s")})
    async with state_redis(settings) as redis:
        await redis.set("kept", "yes")

    async with state_redis(settings) as redis:
        assert await redis.get("kept") == b"yes"


def test_a_running_gateways_store_is_used_and_left_running(tmp_path):
    """The command is a guest."""
    running = Embedded(tmp_path / "s", blobs_max_bytes=2**20)
    running.open()

    settings = load_settings({"GATEWAY_STATE_DIR": str(tmp_path / "s")})
    with located(settings) as found:
        assert found.redis.url == running.url("state")
    with located(settings) as found:
        assert found.redis.url == running.url("state")

    with located(settings, with_blobs=True) as found:
        assert found.blobs.url == running.url("blobs")

    running.close()
