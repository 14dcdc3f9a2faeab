def test_doubtful_prices_are_warnings(found, tmp_path):
    """Each kind of doubt is one line with the models that it concerns."""
    models = tmp_path / "models.toml"
    row = 'owner = "o"\ncreated = 1\ndialect = "openai"\npath = "p/{0}"\nnative_n = 1\ntime_limit_s = 9\nsizes = {{ kind = "ratios", values = ["1:1"] }}\nreference = {{ use = "refuses" }}\n'
    price = 'price = {{ currency = "{0}", source = "s", date = "d", verified = {1}, usd = 0.5, usd_date = "d", images = [{{ amount = 1 }}] }}\n'
    models.write_text(
        f'[[models]]\nid = "a"\n{row.format("a")}[[models]]\nid = "b"\n{row.format("b")}{price.format("USD", "false")}'
        f'[[models]]\nid = "c"\n{row.format("c")}{price.format("CNY", "true")}'
    )
    assert found(GATEWAY_MODELS=str(models))("warning", "models").splitlines() == [
        "1 with no price, so that keys with a budget cannot use them: add one to models.toml: a",
        "1 with a price not seen at Aihubmix: compare it with a bill, and set verified in models.toml: b",
        "1 with a converted price: renew usd and usd_date in models.toml when the rate has moved: c (CNY)",
    ]
