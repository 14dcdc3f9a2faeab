"""`stream: true` with `openai` for node."""

from pathlib import Path

from openai.types import ImageGenCompletedEvent

from tests.clients import environments
from tests.clients.catalogue import MODELS, extra, picture

MODULE = Path(__file__).with_name("openai.mjs")


def test_streaming(node, lively):
    """Every model streams one legal event; signs of life are none; late errors are thrown and not asked again."""
    wishes = [{"model": model.id} | extra(model) for model in MODELS]
    wishes += [{"model": "V3", "prompt": "[[sandbox:slow=0.3]] a fox"}]
    wishes += [{"model": "V3", "n": 2}]
    wishes += [{"model": "V3", "prompt": "[[sandbox:slow=0.3]] [[sandbox:garbage]] a fox"}]
    job = {
        "base_url": f"{lively.url}/v1",
        "key": lively.key(),
        "calls": [{"verb": "stream", "with": {"prompt": "a fox"} | wish} for wish in wishes],
    }
    *outcomes, early, late = environments.run_node(node, MODULE, job)

    for wish, outcome in zip(wishes, outcomes, strict=False):
        assert "events" in outcome, (wish, outcome)
        (event,) = outcome["events"]
        ImageGenCompletedEvent.model_validate(event, strict=True)
        assert (event["output_format"], event["size"]) == picture(event["b64_json"])
    assert ("BadRequestError", 400, "n") == (early["error"]["class"], early["error"]["status"], early["error"]["param"])
    assert ("APIError", "upstream_error") == (late["error"]["class"], late["error"]["code"])
    assert 1 == late["attempts"]
