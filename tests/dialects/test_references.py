"""Reference images: which are taken, how they are re-spelled, which are refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import references
from gateway.dialects.ask import Ask
from gateway.errors import InvalidRequest
from tests.support.golden import CATALOG, MAGIC, image, tried

MEDIA = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "bmp": "image/bmp"}
URL = "https://example.com/a.png?sig=a%2Bb&x=1"


def take(model, **fields):
    return references.take(Ask(CATALOG.resolve(model), {"prompt": "a fox"} | fields))


def fault(model, **fields):
    with pytest.raises(InvalidRequest) as caught:
        take(model, **fields)
    return caught.value.code, caught.value.param, caught.value.message


@pytest.mark.parametrize("kind", MAGIC)
@pytest.mark.parametrize("label", ["", "data:image/png;base64,", "data:;base64,", "data:text/plain;charset=x;base64,"])
def test_inline_images_are_labelled_by_their_bytes(kind, label):
    """Whatever an inline image claims to be, its bytes decide; where the model wants plain base64, it has no label."""
    plain = base64.b64encode(image(kind)).decode()

    assert take("gpt-image-1", image=label + plain) == [f"data:{MEDIA[kind]};base64,{plain}"]
    assert take("flux-kontext-max", image=label + plain) == [plain]


@pytest.mark.parametrize("kind", MAGIC)
@pytest.mark.parametrize("label", ["", "data:image/png;base64,"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_wrapped_base64_is_the_same_image(kind, label, line_break):
    """Base64 in lines, as MIME and the command `base64` write it, goes upstream as if it stood in one."""
    data = image(kind) + bytes(range(256))
    plain, wrapped = base64.b64encode(data).decode(), base64.encodebytes(data).decode().replace("\n", line_break)

    assert wrapped.count(line_break) > 4
    assert take("gpt-image-1", image=label + wrapped) == take("gpt-image-1", image=label + plain)
    assert take("flux-kontext-max", image=label + wrapped) == [plain]


@pytest.mark.parametrize("name", references.SPELLINGS)
@pytest.mark.parametrize("model", [model.id for model in CATALOG.models if model.reference.use != "refuses"])
def test_every_spelling_on_every_model(model, name):
    """Ours and every family's own name is understood wherever a reference image is; URLs stay as they are."""
    assert take(model, **{name: URL}) == [URL]
    assert take(model, **{name: [URL]}) == [URL]


@pytest.mark.parametrize("name", references.SPELLINGS)
@pytest.mark.parametrize("model", [model.id for model in CATALOG.models if model.reference.use == "refuses"])
def test_models_that_refuse(model, name):
    """A picture that would be bought without its reference image is refused; an empty one was none."""
    assert fault(model, **{name: URL})[:2] == ("invalid_value", name)
    assert take(model, **{name: ""}) == take(model, **{name: []}) == take(model) == []


@pytest.mark.parametrize(
    "nothing", [{}, {"image": ""}, {"image": []}, {"image": [""]}, {"refer_image": ""}, {"image": None}]
)
@pytest.mark.parametrize("model", ["Qwen-Image-Edit", "ernie-irag-edit"])
def test_models_that_need_one(model, nothing):
    """Nothing in any form is missing, and the message tells how to give one."""
    code, param, message = fault(model, **nothing)

    assert (code, param) == ("missing_required_parameter", "image")
    assert 'extra_body={"image": ...}' in message


@pytest.mark.parametrize(
    "model", [model for model in CATALOG.models if model.reference.use != "refuses"], ids=lambda m: m.id
)
def test_too_many(model):
    """As many as the model takes, and not one more."""
    most = model.reference.max

    assert take(model.id, image=[URL] * most) == [URL] * most
    assert fault(model.id, image=[URL] * (most + 1))[:2] == ("array_above_max_length", "image")


def test_the_models_own_spelling_wins():
    """The other is not read, so it is disclosed; an empty one does not win."""
    ask = Ask(CATALOG.resolve("Qwen-Image"), {"prompt": "a fox", "image": URL, "refer_image": URL + "2"})

    assert references.take(ask) == [URL + "2"]
    assert ask.ignored() == ["image"]
    assert take("Qwen-Image", image=URL, refer_image="") == [URL]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("just words", "'just words' is neither a URL (http, https, data) nor base64"),
        ("not\nbase64", "is neither"),
        ("file:///etc/passwd", "is neither"),
        ("ftp://example.com/a.png", "is neither"),
        (base64.b64encode(b"just some text").decode(), "the bytes are no image"),
        ("data:image/png;base64," + base64.b64encode(b"<svg>").decode(), "the bytes are no image"),
        ("data:image/png,abc", "must be of the form 'data:image/png;base64,...'"),
        ("data:image/png;base64", "must be of the form"),
        ("data:image/png;base64,%%%", "is neither"),
        ("https://example.com/a b.png", "printable ASCII"),
        ("https://example.com/é.png", "printable ASCII"),
        ("https://example.com/\n", "printable ASCII"),
        ("https://example.com/" + "a" * 8173, "at most 8192 characters"),
    ],
)
def test_no_images(value, says):
    """What is no image is refused before anything is spent, and the message tells why."""
    code, param, message = fault("gpt-image-1", image=[URL, value])

    assert (code, param) == ("invalid_value", "image")
    assert says in message


def test_long_urls():
    """A model that reads only short URLs gets no longer one."""
    at_limit = "https://example.com/" + "a" * 1004

    assert take("irag-1.0", image=at_limit) == [at_limit]
    assert "at most 1024 characters" in fault("irag-1.0", image=at_limit + "a")[2]


@pytest.mark.parametrize("value", [5, True, {"url": URL}, [URL, None], [[URL]]])
def test_other_types(value):
    """Anything but strings is a type error."""
    assert fault("gpt-image-1", image=value)[:2] == ("invalid_type", "image")


@given(st.text() | st.binary().map(lambda data: "data:image/png;base64," + base64.b64encode(data).decode()))
def test_any_text(value):
    """Any text is taken or is a 400 naming `image`; never an exception of another kind."""
    taken, refusal = tried(lambda: take("gpt-image-1", image=value))

    assert len(taken) <= 1 if refusal is None else (refusal.status, refusal.param) == (400, "image")
