"""The banner: nothing in it but what may be seen."""

from gateway.launcher.banner import banner
from gateway.settings import load_settings


def test_a_configured_redis_is_shown_without_its_password():
    """A terminal is looked at by others, too."""
    settings = load_settings({"REDIS_URL": "rediss://user:hush@redis.example:6380/1", "GATEWAY_SERVER_WORKERS": "2"})

    text = banner(settings, "http://h:1", sandbox=False, embedded=False, secret="")

    assert "state     rediss://redis.example:6380/1\n" in text
    assert "serving   http://h:1/v1  (2 workers)" in text
    assert "hush" not in text
