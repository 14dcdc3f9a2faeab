"""Upstream's "no" in all its spellings; what clients are told of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import refusals
from gateway.dialects.base import Reply
from gateway.errors import (
    GatewayError,
    InvalidRequest,
    Moderated,
    NotFound,
    OutcomeUnknown,
    Unavailable,
    UpstreamFailed,
)
from gateway.upstream import failures
from gateway.upstream.failures import Verdict
from tests.support.golden import CATALOG

GPT = CATALOG.resolve("gpt-image-1")
DALLE = CATALOG.resolve("dall-e-3")


def refuse(status, body="", *, model=GPT, retry_after=None):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(GatewayError) as caught:
        refusals.raise_refusal(model, Reply(status, content, retry_after=retry_after))
    return caught.value


def error(message, **more):
    return {"error": {"message": message} | more}


MODERATIONS = [
    error("Your request was rejected by the safety system.", code="moderation_blocked"),
    error("rejected", code="content_policy_violation"),
    error("This prompt contains words that violate Google's Responsible AI practices."),
    error("Your current safety filter threshold filtered out the prompt"),
    error("The response was filtered due to Azure OpenAI's content management policy.", code="content_filter"),
    error("x", code="InputImageSensitiveContentDetected.PrivacyInformation"),
    error("x", code="OutputImageSensitiveContentDetected"),
    error("The content is sensitive", code="content_sensitive"),
    error("内容审核未通过"),
    error("Prompt provided failed safety check due to the inclusion of prohibited content."),
    error(json.dumps(error("x", code="moderation_blocked"))),
    {"name": "content_moderation", "errors": ["flagged by our content moderation system"]},
]
UNKNOWN_MODELS = [
    error("Incorrect model ID. Please request to view the model page or you do not have permission to use this model"),
    error("get_adaptor_failed (tid: 1)"),
    error("x", code="model_not_found"),
    error("No available channel for model gpt-image-1 under group default"),
    error("当前分组 default 下对于模型 gpt-image-1 无可用渠道"),
    error("The model `gpt-image-1` does not exist"),
    error("The model gpt-image-1 has been deprecated"),
    error("This token has no permission to use the model"),
    error("Key not authorized for this model"),
]
QUOTAS = [
    error("The user quota is not enough", code="insufficient_user_quota"),
    error("You exceeded your current quota, please check your plan and billing details."),
    error("x", code="insufficient_quota"),
    error("x", code="billing_hard_limit_reached"),
    error("x", code="AccountOverdueError"),
    error("用户额度不足"),
    error("账户已欠费"),
    error("Insufficient balance"),
]


@pytest.mark.parametrize("status", [400, 403, 422, 429, 500, 502, 503])
@pytest.mark.parametrize("body", MODERATIONS)
def test_moderation(body, status):
    """Every provider's words are recognised, whatever the status, and told in words that clients recognise."""
    told = refuse(status, body)

    assert isinstance(told, Moderated)
    assert (told.status, told.type, told.code, told.param) == (
        400,
        "image_generation_user_error",
        "moderation_blocked",
        None,
    )
    assert "safety system" in told.message


def test_moderation_for_dall_e():
    """Clients of dall-e know another pair."""
    told = refuse(400, MODERATIONS[0], model=DALLE)

    assert (told.type, told.code) == ("invalid_request_error", "content_policy_violation")


@pytest.mark.parametrize("status", [400, 403, 404, 500, 502, 503])
@pytest.mark.parametrize("body", UNKNOWN_MODELS)
def test_unknown_model(body, status):
    """A model that is not there is told by its words, whatever the status; a repetition cannot help."""
    told = refuse(status, body)

    assert isinstance(told, NotFound)
    assert (told.status, told.code, told.param) == (404, "model_not_found", "model")


@pytest.mark.parametrize("status", [400, 401, 402, 403, 429, 500, 503])
@pytest.mark.parametrize("body", QUOTAS)
def test_our_quota(body, status):
    """An empty account of ours is never the client's fault, nor a rate limit."""
    told = refuse(status, body)

    assert isinstance(told, UpstreamFailed)
    assert (told.status, told.code, told.should_retry) == (502, "upstream_quota", False)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, InvalidRequest, "invalid_value"),
        (401, UpstreamFailed, "upstream_auth"),
        (402, UpstreamFailed, "upstream_quota"),
        (403, UpstreamFailed, "upstream_auth"),
        (404, NotFound, "model_not_found"),
        (405, UpstreamFailed, "upstream_error"),
        (408, OutcomeUnknown, "outcome_unknown"),
        (413, InvalidRequest, "invalid_value"),
        (422, InvalidRequest, "invalid_value"),
        (429, Unavailable, "upstream_unavailable"),
        (500, UpstreamFailed, "upstream_error"),
        (501, UpstreamFailed, "upstream_error"),
        (502, OutcomeUnknown, "outcome_unknown"),
        (503, Unavailable, "upstream_unavailable"),
        (504, OutcomeUnknown, "outcome_unknown"),
        *[(status, OutcomeUnknown, "outcome_unknown") for status in range(520, 528)],
        (302, UpstreamFailed, "upstream_error"),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"<html>oops</html>", b"null", error("oops"), error(""), {"error": "oops"}, {"error": 5}, ["oops"]]
)
def test_by_status(status, kind, code, body):
    """Where the words tell nothing, the status does: what may be repeated, what may have cost, what is our fault."""
    told = refuse(status, body)

    assert (type(told), told.code) == (kind, code)


@pytest.mark.parametrize("status", [*range(300, 600)])
def test_words_follow_the_table_of_failures(status):
    """What the client is told of a bare status never contradicts what the gateway does about it."""
    told = {OutcomeUnknown: Verdict.UNANSWERED, Unavailable: Verdict.REFUSED}

    assert told.get(type(refuse(status))) is failures.of_status(status)


@pytest.mark.parametrize("status", [408, 502, 504, 524])
def test_a_proxys_page_is_no_refusal(status):
    """Words on a proxy's own page tell nothing of what became of the call behind it."""
    assert isinstance(
        refuse(status, b"<html>the model was not found; safety system; insufficient_quota</html>"), OutcomeUnknown
    )


@pytest.mark.parametrize(
    "message",
    [
        "The model is temporarily overloaded, balance your load",
        "This model is currently not available, please try again",
        "Too many requests for this model, see your billing plan for higher limits",
    ],
)
def test_words_that_prove_nothing(message):
    """A busy model is neither unknown, nor is our account empty."""
    assert isinstance(refuse(503, error(message)), Unavailable)
    assert isinstance(refuse(429, error(message)), Unavailable)


def test_our_key_is_ours_even_if_the_model_is_named():
    """A 401 speaks of the key, whatever else it says."""
    for message in ("no permission to use this model", "rejected by the safety system of the gateway"):
        assert refuse(401, error(message)).code == "upstream_auth"


@pytest.mark.parametrize(("told", "waited"), [(None, 1.0), (7.0, 7.0)])
def test_retry_after(told, waited):
    """Upstream's own wish is passed on."""
    assert refuse(429, error("slow down"), retry_after=told).retry_after == waited


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (error("Invalid size"), "Invalid size"),
        ({"detail": [{"loc": ["body"], "msg": "too small"}, {"msg": "too large"}]}, "too small; too large"),
        ({"error": {"code": "E1", "type": "t"}}, "E1 t"),
        (error(json.dumps(error("inner"))), "inner"),
        ({"message": "flat"}, "flat"),
        ({"error": "a string"}, "a string"),
        (["listed"], "listed"),
        (b"not JSON", "it gave no reason"),
        (error("Aihubmix_api_error at AiHubMix"), "upstream at upstream"),
    ],
)
def test_the_sentence_that_is_shown(body, shown):
    """Of an error's parts the sentence meant for people is passed on."""
    assert refuse(400, body).message == f"The model refused the request: {shown}"


SECRETS = [
    "https://ark.cn-beijing.volces.com/api/v3?x=1", "http://10.0.0.7:8080/v1", "api.us1.bfl.ai", "help.openai.com",
    "aihubmix.com", "api.inferera.com:443/v1", "10.1.2.3:8000", "sk-AbC123", "sk-proj-Ab_C-123", "Bearer abc.def-1",
    "(tid: 20251020abc)", "tid=99", "request id: req_011CSx", "Request ID 0217581234567890", "request_id=a1b2", "trace id: 7f",
    "x-request-id: 12", "logid: 55", "f9821dbf-f134-41c2-aaa8-5405fb665c76", "021758aaaaaaaaaaaa123456789", "AIzaSyA1234567890abcdefghijklmn",
]  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("status", [400, 500])
def test_no_host_key_or_trace(secret, status):
    """Upstream's addresses, keys and trace ids stay with us; the words around them arrive."""
    told = refuse(status, error(f"Failed ({secret}), try less."))

    assert "Failed" in told.message
    for piece in secret.replace("(tid:", "").replace(")", "").split():
        if any(char.isdigit() for char in piece) or "." in piece:
            assert piece.strip(":") not in told.message


KEEP = [
    "Invalid 'size': 1024x1024 is not in [512, 2048].",
    "The image_generation_model_version_too_old field",
    "中文提示词包含2个不支持的字符,请修改后重试一次看看",
]


@pytest.mark.parametrize("message", KEEP)
def test_ordinary_words_stay(message):
    """What is no secret is not blotted out."""
    assert message in refuse(400, error(message)).message


def test_said():
    """Any part of a reply becomes one short clean line."""
    assert refusals.said({"Moderation Reasons": ["Safety Filter", {"at": "https://bfl.ai/x"}]}) == "Safety Filter"
    assert refusals.said(None) == ""
    assert len(refusals.said("word " * 500)) <= 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.sampled_from(SECRETS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "msg", "code", "type"]) | st.text(), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(status=st.integers(300, 599), body=JSON, model=st.sampled_from(CATALOG.models))
def test_any_refusal(status, body, model):
    """Any JSON of any status is an error that a client can be sent: short, and without addresses or keys."""
    told = refuse(status, body, model=model)

    assert told.message
    assert len(told.message) < 500
    assert told.status in {400, 404, 502, 503}
    for secret in (
        "volces.com",
        "bfl.ai",
        "openai.com",
        "inferera.com",
        "10.1.2.3",
        "sk-AbC123",
        "AIzaSyA",
        "aihubmix",
    ):
        assert secret not in told.message


@given(status=st.integers(300, 599), content=st.binary())
def test_any_bytes(status, content):
    """A body that is no JSON breaks nothing either."""
    assert refuse(status, content).message
