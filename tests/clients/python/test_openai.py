"""The newest `openai` for Python, in this process: every model's reply, headers, listing."""

import asyncio

import openai
import pytest
from openai.types import ImagesResponse, Model

from tests.clients.catalogue import MODELS, extra, fetched, picture


def checked(raw):
    """Validate a raw reply twice over, in the SDK's strict mode and without coercion; returns the parsed one."""
    reply = raw.parse()
    again = ImagesResponse.model_validate_json(raw.text, strict=True)
    for part in (reply, reply.usage, *reply.data):
        assert not part.model_extra, f"fields that OpenAI does not have: {part.model_extra}"
    assert again.usage is not None
    assert None not in (reply.background, reply.output_format, reply.size)
    return reply


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_every_model_strictly(gateway, key, model):
    """With default parameters, `url` and `b64_json`, each reply is legal to the letter and tells what was delivered."""
    with gateway.openai(key, _strict_response_validation=True) as client:
        images = client.images.with_raw_response
        wish = {"model": model.id, "prompt": "a red fox", "extra_body": extra(model)}
        default = checked(images.generate(**wish))
        inline = checked(images.generate(**wish, response_format="b64_json"))
        linked = checked(images.generate(**wish, response_format="url"))

    assert inline.data[0].url is None
    assert linked.data[0].b64_json is None
    assert (default.data[0].url is None) is not model.id.startswith("dall-e")
    assert picture(inline.data[0].b64_json) == (inline.output_format, inline.size)
    assert picture(fetched(gateway, linked.data[0].url)) == (linked.output_format, linked.size)


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
async def test_every_model_at_once_async(gateway, key, output_format):
    """The async client draws with all models at the same time, two pictures each, in the encoding asked for."""
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, _strict_response_validation=True
    ) as client:
        raws = await asyncio.gather(
            *(
                client.images.with_raw_response.generate(
                    model=model.id,
                    prompt="a red fox",
                    n=2,
                    output_format=output_format,
                    response_format="b64_json",
                    extra_body=extra(model),
                )
                for model in MODELS
            )
        )

    for reply in map(checked, raws):
        assert 2 == len({item.b64_json for item in reply.data})
        assert {(output_format, reply.size)} == {picture(item.b64_json) for item in reply.data}
        assert output_format == reply.output_format


@pytest.mark.parametrize("quality", ["auto", "standard", "hd", "low", "medium", "high", "xhigh", "max"])
def test_quality_is_resolved(gateway, key, quality):
    """Whatever quality is asked for, the reply names one that OpenAI knows as an answer, or none."""
    with gateway.openai(key, _strict_response_validation=True) as client:
        for model in ("gpt-image-1", "dall-e-3", "V3", "irag-1.0"):
            reply = checked(client.images.with_raw_response.generate(model=model, prompt="a fox", quality=quality))
            assert reply.quality in {"low", "medium", "high", None}


def test_explicit_nulls(gateway, key):
    """`None` for every optional field travels as null, and means absent."""
    optional = (
        "background moderation n output_compression output_format quality response_format size stream style".split()
    )
    with gateway.openai(key, _strict_response_validation=True) as client:
        reply = checked(client.images.with_raw_response.generate(model="V3", prompt="a fox", **dict.fromkeys(optional)))

    assert 1 == len(reply.data)


def test_headers(gateway, key):
    """A raw reply tells its request id, which the parsed object repeats, how long it took, what it cost."""
    with gateway.openai(key) as client:
        raw = client.images.with_raw_response.generate(model="V3", prompt="a fox")
        reply = raw.parse()

    assert reply._request_id == raw.request_id == raw.headers["x-request-id"]
    assert raw.request_id.startswith("req_")
    assert "application/json" == raw.headers["content-type"]
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert "2020-10-01" == raw.headers["openai-version"]
    assert float(raw.headers["x-gateway-cost-usd"]) > 0
    assert raw.headers["x-gateway-generation-id"].startswith("gen_")


def test_models(gateway, key):
    """The list, and each of its entries by itself, are legal model objects."""
    with gateway.openai(key, _strict_response_validation=True) as client:
        listed = list(client.models.list())
        shown = [client.models.retrieve(model.id) for model in listed]

    assert [model.id for model in MODELS] == [model.id for model in listed]
    assert listed == shown
    for model in listed:
        Model.model_validate(model.to_dict(), strict=True)
        assert not model.model_extra


def test_base_url_with_a_slash(gateway, key):
    """A base URL that ends in a slash, or in two, works as well."""
    for tail in ("/v1/", "//v1", "/v1//"):
        with openai.OpenAI(base_url=gateway.url + tail, api_key=key, max_retries=0) as client:
            assert client.images.generate(model="V3", prompt="a fox").data
