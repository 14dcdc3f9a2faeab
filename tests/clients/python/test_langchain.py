"""LangChain's `DallEAPIWrapper`: it never sends `response_format`, and joins the URLs that come."""

from pathlib import Path

from tests.clients import environments
from tests.clients.catalogue import fetched, picture
from tests.support.gateway import RunningGateway

PROGRAM = Path(__file__).with_name("langchain_program.py")


def run(langchain, gateway, *calls):
    """Make calls with LangChain; returns what came of each."""
    job = {"base_url": f"{gateway.url}/v1", "key": gateway.key(), "prompt": "a red fox", "calls": calls}
    return environments.run_python(langchain, PROGRAM, job)


def test_urls_and_errors(langchain, gateway):
    """With `dall-e-3` one URL per picture comes; errors are the SDK's; its own default model is not one of ours."""
    one, three, unknown, wrong = run(
        langchain,
        gateway,
        {"model": "dall-e-3"},
        {"model": "dall-e-3", "n": 3, "quality": "hd"},
        {},
        {"model": "dall-e-3", "size": "512x512"},
    )

    assert "1024x1024" == picture(fetched(gateway, one["text"]))[1]
    assert 3 == len({fetched(gateway, url) for url in three["text"].splitlines()})
    assert {"class": "NotFoundError", "code": "model_not_found", "param": "model"} == unknown["error"]
    assert {"class": "BadRequestError", "code": "invalid_value", "param": "size"} == wrong["error"]


def test_any_model_by_an_alias(langchain, sandbox, patient):
    """An operator's alias lets LangChain draw with any model by its default name, since `dall-e-*` means URLs."""
    with RunningGateway(patient(images__aliases={"dall-e-2": "V3"})) as gateway:
        (outcome,) = run(langchain, gateway, {})
        assert picture(fetched(gateway, outcome["text"]))

    assert {"V3": 1} == {name: paid.calls for name, paid in sandbox.stats().models.items()}
