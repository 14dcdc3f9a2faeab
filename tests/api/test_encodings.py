"""`output_format` and `output_compression`: what is asked for is what arrives, by its bytes, on every model."""

import base64
from functools import partial

import httpx
import pytest

from tests.bench import proc
from tests.bench.subjects import gateway as serve
from tests.clients.catalogue import MODELS, extra, fetched, picture
from tests.support.haste import all_at_once, hasty_gateway

FORMATS = ["png", "jpeg", "webp"]
NATIVE, TRANSCODED = (next(model for model in MODELS if model.id == name) for name in ("gpt-image-1", "V3"))

TRANSCODES = 32
SIDE = 1024
DECODED = SIDE * SIDE * 3  # bytes of one picture as pixels


@pytest.fixture(scope="module")
def gateway(sandbox_server, tmp_path_factory):
    """Give a gateway that polls quickly."""
    with hasty_gateway(sandbox_server, tmp_path_factory.mktemp("encodings")) as running:
        yield running


def draw(gateway, key, model, **fields):
    """Ask a model for a picture; returns the reply and the picture's bytes."""
    with gateway.openai(key) as client:
        reply = client.images.generate(
            model=model.id,
            prompt="a fox",
            size="1024x1024",
            extra_body=extra(model),
            **({"response_format": "b64_json"} | fields),
        )
    (item,) = reply.data
    return reply, base64.b64decode(item.b64_json) if item.b64_json else fetched(gateway, item.url)


@pytest.mark.parametrize("wanted", FORMATS)
def test_what_is_asked_for_arrives(gateway, wanted):
    """Each model delivers each encoding, and the reply tells it truly."""
    answers = all_at_once(partial(draw, gateway, gateway.key(), output_format=wanted), MODELS)

    told = {model.id: (reply.output_format, reply.size) for model, (reply, _) in answers.items()}
    assert {model.id: (wanted, "1024x1024") for model in MODELS} == told
    assert told == {model.id: picture(data) for model, (_, data) in answers.items()}


@pytest.mark.parametrize("wanted", FORMATS)
@pytest.mark.parametrize("model", [NATIVE, TRANSCODED], ids=lambda model: model.id)
def test_links_to_what_is_asked_for(gateway, model, wanted):
    """A link leads to the same, with the right extension and type, whoever encoded it."""
    reply, data = draw(gateway, gateway.key(), model, output_format=wanted, response_format="url")

    assert (wanted, "1024x1024") == picture(data)
    assert f".{'jpg' if wanted == 'jpeg' else wanted}?" in reply.data[0].url


@pytest.mark.parametrize(("wanted", "models"), [("jpeg", MODELS), ("webp", [NATIVE, TRANSCODED])], ids=["jpeg", "webp"])
def test_compression_counts(gateway, wanted, models):
    """A stronger compression gives a smaller file, on each model and whoever encodes it."""
    key = gateway.key()
    wishes = [(model, quality) for model in models for quality in (5, 95)]

    def size(wish):
        model, quality = wish
        _, data = draw(gateway, key, model, output_format=wanted, output_compression=quality)
        assert (wanted, "1024x1024") == picture(data)
        return len(data)

    sizes = all_at_once(size, wishes)
    assert not [model.id for model in models if sizes[model, 5] > 0.7 * sizes[model, 95]]


def test_memory_of_many_transcodes(sandbox, tmp_path):
    """However many pictures wait to be transcoded, only a few are decoded at a time."""
    body = {"model": "doubao-seedream-4-0-250828", "output_format": "webp", "size": f"{SIDE}x{SIDE}"}

    def transcode(prompt):
        with httpx.Client(headers={"authorization": f"Bearer {served.key}"}, timeout=60, trust_env=False) as http:
            (item,) = http.post(served.url, json=body | {"prompt": prompt}).json()["data"]
        return picture(item["b64_json"])

    with serve(tmp_path / "home", sandbox.base_url) as served:
        transcode("a fox to warm up")
        before = proc.rss(served.pid)
        proc.forget_peak(served.pid)
        done = all_at_once(transcode, [f"fox {number}" for number in range(TRANSCODES)])
        grown = proc.peak_rss(served.pid) - before

    assert {("webp", f"{SIDE}x{SIDE}")} == set(done.values())
    assert grown < TRANSCODES * DECODED
