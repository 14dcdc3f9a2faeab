"""Makes the calls that its argument lists, with whichever `openai` is installed, and prints what came of each.

The SDK validates strictly, and every reply is validated once more without any coercion of types.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import openai
from openai.types import ImagesResponse


def outcome(job, call):
    """Make one call with a client of its own; returns what came, and how often it was attempted."""
    attempts = []
    transport = openai.DefaultHttpxClient(event_hooks={"request": [attempts.append]})
    with openai.OpenAI(
        base_url=job["base_url"],
        api_key=call.get("key", job["key"]),
        http_client=transport,
        _strict_response_validation=True,
    ) as client:
        try:
            came = VERBS[call["verb"]](client, call.get("with", {}))
        except openai.APIError as error:
            came = {"error": described(error)}
    return came | {"attempts": len(attempts)}


def generate(client, parameters):
    """Generate pictures."""
    raw = client.images.with_raw_response.generate(**parameters)
    reply = raw.parse()
    ImagesResponse.model_validate_json(raw.text, strict=True)
    return {"reply": reply.to_dict(), "request_id": reply._request_id}


def stream(client, parameters):
    """Generate a picture and collect the events."""
    with client.images.generate(**parameters, stream=True) as events:
        return {"events": [event.to_dict() for event in events]}


def models(client, parameters):
    """List the models."""
    return {"ids": [model.id for model in client.models.list(**parameters)]}


VERBS = {"generate": generate, "stream": stream, "models": models}


def described(error):
    """Tell what a program can learn from an error."""
    facts = {name: getattr(error, name, None) for name in ("status_code", "code", "param", "type", "request_id")}
    return facts | {"class": type(error).__name__, "text": str(error)}


if __name__ == "__main__":
    todo = json.loads(sys.argv[1])
    with ThreadPoolExecutor(12) as pool:
        done = list(pool.map(lambda call: outcome(todo, call), todo["calls"]))
    print(json.dumps({"version": openai.__version__, "outcomes": done}))  # noqa: T201  its output is its answer
