"""Draws with LiteLLM as its argument says, and prints what came."""

import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else importing it fetches a price list

import litellm
import openai

litellm.suppress_debug_info = True  # which it would print among the answer


def outcome(job, call):
    """Make one call; returns LiteLLM's own reply or exception."""
    try:
        reply = litellm.image_generation(**{"api_base": job["base_url"], "api_key": job["key"]} | call)
    except openai.APIStatusError as error:
        return {"error": {"class": type(error).__name__, "status_code": error.status_code, "text": str(error)}}
    return {"reply": reply.model_dump()}


if __name__ == "__main__":
    todo = json.loads(sys.argv[1])
    print(json.dumps([outcome(todo, call) for call in todo["calls"]]))  # noqa: T201  its output is its answer
