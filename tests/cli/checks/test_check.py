"""The command as a whole: what it prints, and how it ends."""


def test_a_gateway_that_can_work_passes(found, policy):
    """Doubtful prices are warnings, which fail nothing."""
    told = found(GATEWAY_BLOBS_URL=policy("allkeys-lru", 10**8))
    assert told("ok", "settings") == "are readable and safe"
    assert {about for level, about, _ in told.lines if level == "warning"} == {"models"}
    assert not told.problems


def test_text_is_a_line_for_each_finding(command, good, policy):
    told = command("check", **good, GATEWAY_BLOBS_URL=policy("allkeys-lru", 10**8)).stdout.splitlines()
    assert told[0] == "ok       settings     are readable and safe"
    assert all(line.startswith(("ok ", "warning ")) for line in told)


def test_settings_and_catalogue_that_cannot_be_read_are_problems(found):
    """Told as they would stop the start."""
    assert "GATEWAY_SERVER_PROT" in found(1, GATEWAY_SERVER_PROT="1")("problem", "settings")
    assert "/nonexistent.toml" in found(1, GATEWAY_MODELS="/nonexistent.toml")("problem", "models")
    assert "hu/sh" not in str(found(1, REDIS_URL="redis://:hu/sh@h").lines)


def test_neither_buying_nor_the_key_is_to_be_seen(command, good, sandbox):
    """Whatever is found, and in either form."""
    for form in ([], ["--json"]):
        printed = command("check", *form, **good)
        assert sandbox.api_key not in printed.stdout + printed.stderr
        assert good["GATEWAY_ADMIN_KEY"] not in printed.stdout + printed.stderr
    assert not any(call.billable for call in sandbox.calls)
