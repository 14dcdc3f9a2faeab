"""The one parser: every shape of a picture is found, and no reply of any kind breaks it."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import replies
from gateway.dialects.base import Image, Reply, Result, Task, Usage
from gateway.errors import GatewayError, Moderated, Unavailable, UpstreamFailed
from tests.support.golden import CATALOG, image, tried

GPT = CATALOG.resolve("gpt-image-1")
V3 = CATALOG.resolve("V3")
PNG = image("png")
B64 = base64.b64encode(PNG).decode()
URL = "https://x.example/a.png"


def read(body, *, model=GPT, status=200, kind="application/json"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return replies.read(model, Reply(status, content, kind))


@pytest.mark.parametrize(
    "body",
    [
        {"output": {"b64_json": [{"bytesBase64": B64, "mimeType": "jpeg"}], "urls": []}},
        {"output": {"b64_json": [B64], "urls": None}},
        {"output": {"b64_json": B64}},
        {"output": [{"bytesBase64": B64}]},
        {"output": [{"bytesBase64Encoded": B64}]},
        {"output": [{"base64_json": B64}]},
        {"output": [{"b64_json": B64, "url": None}]},
        {"output": [B64]},
        {"output": B64},
        {"output": [f"data:image/jpeg;base64,{B64}"]},
        {"output": {"urls": [f"data:image/png;base64,{B64}"]}},
        {"output": [{"url": f"data:image/png;base64,{B64}"}]},
        {"output": {"images": [B64], "finish_reasons": [None]}},
        {"data": [{"b64_json": B64}]},
        {"predictions": [{"bytesBase64Encoded": B64}]},
        {"result": {"sample": B64}},
        {"image": B64, "finish_reason": "SUCCESS"},
        {"output": [], "data": [{"b64_json": B64}]},
        [{"b64_json": B64}],
        B64,
    ],
)
def test_inline_pictures(body):
    """Base64 under every key, in every nesting, with and without a label."""
    assert read(body) == Result([Image(data=PNG)])


@pytest.mark.parametrize(
    "body",
    [
        {"output": [{"url": URL}]},
        {"output": {"urls": [URL]}},
        {"output": {"urls": [{"url": URL}]}},
        {"output": {"urls": URL}},
        {"output": {"url": URL}},
        {"output": [{"content_url": URL}]},
        {"output": [{"url": {"url": URL}}]},
        {"output": [URL]},
        {"output": URL},
        {"data": [{"url": URL}]},
        {"data": {"url": URL}},
        {"result": {"samples": [URL]}},
    ],
)
def test_urls(body):
    """URLs under every key and in every nesting."""
    assert read(body) == Result([Image(url=URL)])


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", "application/json", ""])
def test_a_picture_as_the_body(kind):
    """The bytes tell, not the label."""
    assert read(PNG, kind=kind) == Result([Image(data=PNG)])


def test_revised_prompts():
    """The prompt that was really drawn comes along, from either key; a null or an object is none."""
    items = [
        {"url": URL, "prompt": "p"},
        {"url": URL, "revised_prompt": "r", "prompt": "p"},
        {"url": URL, "prompt": {}},
    ]

    assert [found.revised_prompt for found in read({"output": items}).images] == ["p", "r", None]


def test_neighbours_survive():
    """Whatever stands beside a picture, it is delivered: it is paid for."""
    beside = [
        None,
        7,
        {},
        [],
        "%%%",
        {"b64_json": "%%%"},
        {"b64_json": [[[[[[B64]]]]]]},
        {"error": {"code": "x"}},
        {"url": ""},
    ]

    assert read({"output": [*beside, {"b64_json": B64}], "error": {"message": "one failed"}}).images == [
        Image(data=PNG)
    ]


def test_a_broken_form_gives_way_to_another():
    """The same picture in two forms is one picture; a broken form does not lose it."""
    assert read({"output": [{"b64_json": B64, "url": URL}]}).images == [Image(data=PNG)]
    assert read({"output": [{"b64_json": "%%%", "url": URL}]}).images == [Image(url=URL)]


@pytest.mark.parametrize("task", ["api.us1.bfl.1", "a/b?c#d %2F", "é"])
def test_tasks(task):
    """An id is opaque; a picture that is there already goes before the task."""
    assert read({"output": [{"polling_url": URL, "taskId": task}]}) == Task(task)
    assert read({"task_id": task}) == Task(task)
    assert read({"output": [{"taskId": task, "url": URL}]}) == Result([Image(url=URL)])


@pytest.mark.parametrize(
    "body",
    [
        {"output": [{"url": "", "is_image_safe": False}]},
        {"output": [{"url": URL, "is_image_safe": False}]},
        {"output": [{"raiFilteredReason": "x"}]},
        {"output": {"images": [], "finish_reasons": ["Filter reason: prompt"]}},
        {"image": B64, "finish_reason": "CONTENT_FILTERED"},
        {"data": [{"error": {"code": "OutputImageSensitiveContentDetected.Privacy", "message": "x"}}]},
    ],
)
def test_withheld_pictures(body):
    """A picture that upstream withholds under a success is a refusal, and a blurred one is not delivered."""
    with pytest.raises(Moderated):
        read(body)


def test_one_withheld_of_several():
    """The others are delivered."""
    assert read({"output": [{"raiFilteredReason": "x"}, {"b64_json": B64}]}).images == [Image(data=PNG)]


def test_an_empty_url_is_a_refusal_only_where_it_means_one():
    """Ideogram withholds by an empty URL; elsewhere it tells nothing."""
    with pytest.raises(Moderated):
        read({"output": [{"url": None}]}, model=V3)
    with pytest.raises(UpstreamFailed):
        read({"output": [{"url": None}]})


@pytest.mark.parametrize("code", [429, 503, 502, 504, 408, 500, "x", None, True])
def test_an_error_under_a_success_invites_no_repetition(code):
    """The call was accepted: whatever its error says, sending it again might pay again."""
    with pytest.raises(UpstreamFailed) as caught:
        read({"error": {"message": "m", "code": code}})
    assert caught.value.should_retry is False
    assert not isinstance(caught.value, Unavailable)


@pytest.mark.parametrize(
    ("error", "status"),
    [({"code": 400}, 400), ({"code": 401}, 502), ({"type": "invalid_request_error"}, 400), ("oops", 502), ([1], 502)],
)
def test_the_status_of_an_error_under_a_success(error, status):
    """It is understood as if it had come with its own status."""
    with pytest.raises(GatewayError) as caught:
        read({"error": error})
    assert caught.value.status == status


@pytest.mark.parametrize("nothing", [None, False, "", {}, []])
def test_an_empty_error_is_none(nothing):
    """Several upstreams send `error: null` with every success."""
    assert read({"error": nothing, "output": [{"url": URL, "error": nothing}]}) == Result([Image(url=URL)])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"{}",
        {"output": []},
        {"output": "done"},
        {"output": {"b64_json": [B64[:9]]}},
        b"[" * 100_000,
    ],
)
def test_nothing(body):
    """A success without a picture is a failure that is not repeated, and says that it may have cost."""
    with pytest.raises(UpstreamFailed, match="may have been charged"):
        read(body)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {
                "input_tokens": 3,
                "output_tokens": 4,
                "total_tokens": 8,
                "input_tokens_details": {"text_tokens": 1, "image_tokens": 2},
            },
            Usage(3, 4, 8, 1, 2),
        ),
        ({"input_tokens": 3, "output_tokens": 4}, Usage(3, 4, 7)),
        ({"total_tokens": 4, "output_tokens": -1, "input_tokens": True, "input_tokens_details": []}, Usage(0, 0, 4)),
        ({"input_tokens": 0, "total_tokens": 0}, None),
        ({"total_tokens": "4"}, None),
        ([], None),
        (None, None),
    ],
)
def test_usage(usage, expected):
    """Tokens are taken where they are counts; zeros mean that nobody counted."""
    assert read({"output": URL, "usage": usage}).usage == expected


KEYS = st.sampled_from(
    "output data result error b64_json url urls images image sample taskId finish_reasons is_image_safe message code status "
    "prompt usage total_tokens input_tokens_details".split()
)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.sampled_from([B64, URL, "Ready", "CONTENT_FILTERED", "%%%", '{"error": {"message": "x"}}', ""]) | st.text()
BODIES = st.recursive(
    LEAVES | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(body=BODIES, status=st.sampled_from([200, 201, 204]), model=st.sampled_from(CATALOG.models))
def test_any_success(body, status, model):
    """Any JSON is pictures, a task, or an error that a client can be sent; pictures are never empty or text."""
    content = json.dumps(body).encode()
    found, refusal = tried(replies.read, model, Reply(status, content))

    if isinstance(found, Result):
        assert found.images
        assert all(one.url or one.data == PNG for one in found.images)
    else:
        assert isinstance(found, Task) or refusal.status in {400, 404, 502}


@given(content=st.binary(), kind=st.text(max_size=20))
def test_any_bytes(content, kind):
    """A body that is no JSON breaks nothing either."""
    found, refusal = tried(replies.read, GPT, Reply(200, content, kind))
    assert found or refusal.message


def test_images_in():
    """The parser works on a part of a reply, and on nothing."""
    assert replies.images_in({"samples": [URL, URL]}) == [Image(url=URL)] * 2
    assert replies.images_in(None) == []
