"""LiteLLM as a client: `custom_llm_provider="openai"`, with the gateway as `api_base`."""

from pathlib import Path

from tests.clients import environments
from tests.clients.catalogue import fetched, picture

PROGRAM = Path(__file__).with_name("litellm_program.py")
OPENAI = {"custom_llm_provider": "openai", "prompt": "a red fox"}

GOOD = [
    # the parameters, how many pictures, in which form
    ({"model": "gpt-image-1"}, 1, "b64_json"),
    ({"model": "gpt-image-1", "n": 2, "size": "1536x1024", "quality": "low"}, 2, "b64_json"),
    ({"model": "dall-e-3"}, 1, "url"),
    ({"model": "dall-e-3", "response_format": "b64_json", "style": "vivid"}, 1, "b64_json"),
    ({"model": "V3", "n": 2}, 2, "b64_json"),
    ({"model": "flux-kontext-pro"}, 1, "b64_json"),
    ({"model": "V3", "extra_body": {"response_format": "url", "rendering_speed": "TURBO"}}, 1, "url"),
]
BAD = [
    # the parameters, LiteLLM's exception and its status, what its text tells
    ({"model": "gpt-image-1", "size": "banana"}, ("BadRequestError", 400), "banana"),
    ({"model": "gpt-9"}, ("NotFoundError", 404), "gpt-9"),
    ({"model": "V3", "api_key": "sk-wrong"}, ("AuthenticationError", 401), "Incorrect API key provided"),
    ({"model": "gpt-image-1", "prompt": "[[sandbox:moderated]]"}, ("BadRequestError", 400), "safety system"),
    ({"model": "dall-e-3", "prompt": "[[sandbox:moderated]]"}, ("ContentPolicyViolationError", 400), "safety system"),
]


def test_litellm(litellm, gateway, key, sandbox):
    """Pictures come in both forms, usage is counted, native parameters arrive, errors are LiteLLM's own classes."""
    calls = [OPENAI | parameters for parameters, *_ in GOOD + BAD]
    job = {"base_url": f"{gateway.url}/v1", "key": key, "calls": calls}
    outcomes = environments.run_python(litellm, PROGRAM, job)

    for (_, count, form), outcome in zip(GOOD, outcomes[: len(GOOD)], strict=True):
        reply = outcome["reply"]
        pictures = [item[form] if form == "b64_json" else fetched(gateway, item[form]) for item in reply["data"]]
        assert count == len(set(pictures))
        assert {(reply["output_format"], reply["size"])} == {picture(data) for data in pictures}
        assert reply["usage"]["total_tokens"] >= 0
    *_, last = [call.body["input"] for call in sandbox.calls if call.model == "V3"]
    assert "TURBO" == last["rendering_speed"]
    for (_, raised, text), outcome in zip(BAD, outcomes[len(GOOD) :], strict=True):
        error = outcome["error"]
        assert raised == (error["class"], error["status_code"])
        assert text in error["text"]
