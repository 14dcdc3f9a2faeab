"""LangChain's `DallEAPIWrapper`: it never sends `response_format`, and joins the URLs that come."""

from pathlib import Path

from tests.clients import environments
from tests.clients.catalogue import fetched, picture
from tests.support.gateway import RunningGateway

PROGRAM = Path(__file__).with_name("langchain_program.py")


def test_langchain(langchain, sandbox, patient):
    """With `dall-e-3`, or its own default name that an operator's alias lends to any model, it gets one URL each.

    Its errors are the SDK's own exceptions.
    """
    calls = [{"model": "dall-e-3"}, {"model": "dall-e-3", "n": 3, "quality": "hd"}, {}]
    wrong = [{"model": "gpt-9"}, {"model": "dall-e-3", "size": "512x512"}]
    with RunningGateway(patient(images__aliases={"dall-e-2": "V3"})) as gateway:
        job = {"base_url": f"{gateway.url}/v1", "key": gateway.key(), "prompt": "a red fox", "calls": calls + wrong}
        one, three, aliased, unknown, small = environments.run_python(langchain, PROGRAM, job)

        assert "1024x1024" == picture(fetched(gateway, one["text"]))[1]
        assert 3 == len({fetched(gateway, url) for url in three["text"].splitlines()})
        assert picture(fetched(gateway, aliased["text"]))
    assert {"dall-e-3": 4, "V3": 1} == {name: paid.calls for name, paid in sandbox.stats().models.items()}
    assert {"class": "NotFoundError", "code": "model_not_found", "param": "model"} == unknown["error"]
    assert {"class": "BadRequestError", "code": "invalid_value", "param": "size"} == small["error"]
