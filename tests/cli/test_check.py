import json

import pytest


def found(command, code=0, **environ):
    """Run the check; gives (level, about) of each finding, and the whole of what was told."""
    told = json.loads(command("check", "--json", code=code, **environ).stdout)
    assert told["ok"] == (code == 0)
    return {(finding["level"], finding["about"]): finding["told"] for finding in told["findings"]}, told


@pytest.fixture
def policy(own_valkey):
    def set_policy(name, limit):
        with own_valkey.client() as client:
            client.config_set("maxmemory", limit)
            client.config_set("maxmemory-policy", name)
        return own_valkey.url

    return set_policy


def test_a_gateway_that_can_work_passes(command, policy):
    """Doubtful prices are warnings, which fail nothing."""
    findings, _ = found(command, GATEWAY_BLOBS_URL=policy("allkeys-lru", 10**8))
    assert findings["ok", "settings"] == "are readable"
    assert findings["ok", "state"].startswith("answers: Valkey 9.")
    assert findings["ok", "blobs"].startswith("answers: Valkey 9.")
    assert {level for level, _ in findings} == {"ok", "warning"}


def test_the_embedded_servers_are_checked_where_there_is_no_other(command, tmp_path):
    findings, _ = found(command, REDIS_URL="", GATEWAY_STATE_DIR=str(tmp_path / "s"))
    assert ("ok", "state") in findings
    assert ("ok", "blobs") in findings


def test_text_is_a_line_for_each_finding(command, policy):
    told = command("check", GATEWAY_BLOBS_URL=policy("allkeys-lru", 10**8)).stdout.splitlines()
    assert told[0] == "ok       settings     are readable"
    assert all(line.startswith(("ok ", "warning ")) for line in told)


def test_state_that_may_be_evicted_is_a_problem(command, policy):
    """For keys and budgets would vanish."""
    url = policy("allkeys-lru", 10**8)
    findings, _ = found(command, code=1, REDIS_URL=url)
    assert findings["problem", "state"].endswith("set noeviction")


@pytest.mark.parametrize(("name", "limit"), [("noeviction", 10**8), ("volatile-lru", 10**8), ("allkeys-lru", 0)])
def test_image_bytes_that_cannot_be_evicted_are_a_problem(command, policy, name, limit):
    findings, _ = found(command, code=1, GATEWAY_BLOBS_URL=policy(name, limit))
    assert "allkeys-lru" in findings["problem", "blobs"]


def test_one_server_for_both_is_a_warning(command):
    """Whether it is named once or twice."""
    findings, _ = found(command)
    assert findings["warning", "blobs"].startswith("share one server with state")


def test_redis_away_is_a_problem_that_names_the_variable(command):
    findings, _ = found(command, code=1, REDIS_URL="unix:///nowhere")
    assert "REDIS_URL" in findings["problem", "state"]
    findings, _ = found(command, code=1, GATEWAY_BLOBS_URL="unix:///nowhere")
    assert "GATEWAY_BLOBS_URL" in findings["problem", "blobs"]


def test_settings_and_catalogue_that_cannot_be_read_are_problems(command):
    """Told as they would stop the start."""
    findings, _ = found(command, code=1, GATEWAY_SERVER_PROT="1")
    assert "GATEWAY_SERVER_PROT" in findings["problem", "settings"]
    findings, _ = found(command, code=1, GATEWAY_MODELS="/nonexistent.toml")
    assert "/nonexistent.toml" in findings["problem", "models"]
    findings, _ = found(command, code=1, REDIS_URL="redis://:hu/sh@h")
    assert "hu/sh" not in str(findings)


def test_a_missing_key_and_doubtful_prices_are_warnings(command, tmp_path):
    """Each kind of doubt is one line with the models that it concerns."""
    models = tmp_path / "models.toml"
    row = 'owner = "o"\ncreated = 1\ndialect = "openai"\npath = "p/{0}"\nnative_n = 1\ntime_limit_s = 9\nsizes = {{ kind = "ratios", values = ["1:1"] }}\nreference = {{ use = "refuses" }}\n'
    price = 'price = {{ currency = "{0}", source = "s", date = "d", verified = {1}, usd = 0.5, usd_date = "d", images = [{{ amount = 1 }}] }}\n'
    models.write_text(
        f'[[models]]\nid = "a"\n{row.format("a")}[[models]]\nid = "b"\n{row.format("b")}{price.format("USD", "false")}'
        f'[[models]]\nid = "c"\n{row.format("c")}{price.format("CNY", "true")}'
    )
    told = command("check", GATEWAY_MODELS=str(models), AIHUBMIX_API_KEY="").stdout
    assert "warning  settings" in told
    assert "1 with no price, so that keys with a budget cannot use them: add one to models.toml: a\n" in told
    assert "in models.toml: b\n" in told
    assert "when the rate has moved: c (CNY)\n" in told


def test_what_waits_for_somebody_is_told_by_team(command, in_books):
    """Without a worker is a problem, in dispute a warning; what is under way is fine."""

    async def make(books):
        await books.lead("art")
        await books.lose(await books.lead("zoo"), "zoo")
        books.clock.now -= 60
        await books.lead("old")

    in_books(make)
    findings, told = found(command, code=1)
    assert findings["ok", "generations"] == "2 under way, of 3 teams"
    assert findings["problem", "generations"].startswith("1 of team old have lost their worker")
    assert "list --state unknown --team zoo" in findings["warning", "generations"]
    assert told["teams"] == [
        {"team": "art", "open": 1, "overdue": 0, "unresolved": 0},
        {"team": "old", "open": 1, "overdue": 1, "unresolved": 0},
        {"team": "zoo", "open": 0, "overdue": 0, "unresolved": 1},
    ]


def test_brakes_that_hold_are_told(command):
    command("brakes", "off", "V3")
    command("brakes", "set", "--budget-usd-per-month", "0")
    told = command("check").stdout
    assert "the budget of $0 is used up" in told
    assert "off by `gateway brakes off`: V3\n" in told
