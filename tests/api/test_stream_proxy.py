"""`stream: true` through a real reverse proxy, which gives up on a connection that stays silent too long."""

import base64
import io

import openai
import pytest
from PIL import Image

from tests.support.gateway import RunningGateway, settings_for

NEVER_S = 1e6


def events(base, key, prompt):
    """Read a stream with the official client."""
    with openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0, timeout=90) as client:
        return list(client.images.generate(model="gpt-image-1", prompt=prompt, stream=True))


def assert_one_picture(received):
    (event,) = received
    assert "image_generation.completed" == event.type
    with Image.open(io.BytesIO(base64.b64decode(event.b64_json))) as opened:
        assert event.size == "{}x{}".format(*opened.size)


@pytest.mark.long
def test_a_slow_picture_outlives_the_idle_limit_of_a_common_proxy(gateway, key, reverse_proxy):
    """As installed, the gateway streams a picture that takes 35 s through an nginx that waits 30 s for a sign."""
    with reverse_proxy(gateway.url, "proxy_read_timeout 30s;") as base:
        received = events(base, key, "a fox [[sandbox:slow=35]]")

    assert_one_picture(received)


def test_signs_of_life_are_what_keeps_the_proxy_waiting(sandbox, valkey_url, reverse_proxy):
    """The same proxy and picture in small: with signs of life it arrives, without any the proxy gives up."""
    with (
        RunningGateway(settings_for(sandbox, valkey_url, server__stream_keepalive_s=0.5)) as lively,
        reverse_proxy(lively.url, "proxy_read_timeout 2s;") as base,
    ):
        received = events(base, lively.key(), "a lively fox [[sandbox:slow=4]]")
    with (
        RunningGateway(settings_for(sandbox, valkey_url, server__stream_keepalive_s=NEVER_S)) as silent,
        reverse_proxy(silent.url, "proxy_read_timeout 2s;") as base,
        pytest.raises(openai.InternalServerError) as broken,
    ):
        events(base, silent.key(), "a fox [[sandbox:slow=4]]")

    assert_one_picture(received)
    assert 504 == broken.value.status_code
    assert broken.value.response.headers["server"].startswith("nginx")
