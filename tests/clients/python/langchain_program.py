"""Draws with LangChain's image wrapper as its argument says, and prints what came."""

import json
import sys

import openai
from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper


def outcome(job, call):
    """Make one call; returns the text that LangChain hands to its agent."""
    wrapper = DallEAPIWrapper(base_url=job["base_url"], api_key=job["key"], **call)
    try:
        return {"text": wrapper.run(job["prompt"])}
    except openai.APIStatusError as error:
        return {"error": {"class": type(error).__name__, "code": error.code, "param": error.param}}


if __name__ == "__main__":
    todo = json.loads(sys.argv[1])
    print(json.dumps([outcome(todo, call) for call in todo["calls"]]))  # noqa: T201  its output is its answer
