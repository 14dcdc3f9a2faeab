"""The environments of the client programs."""

import pytest

from tests.clients import environments


@pytest.fixture(scope="session")
def openai_1():
    """Give an interpreter that has the last `openai` 1.x."""
    return environments.python("openai-1")


@pytest.fixture(scope="session")
def langchain():
    """Give an interpreter that has LangChain."""
    return environments.python("langchain")


@pytest.fixture(scope="session")
def litellm():
    """Give an interpreter that has LiteLLM, which brings `openai` 2.x along."""
    return environments.python("litellm")


@pytest.fixture(scope="session")
def node():
    """Give the folder with the node packages."""
    return environments.node()
