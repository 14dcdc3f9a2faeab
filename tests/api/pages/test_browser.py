"""The pages in a real browser: wide and narrow, in the light and in the dark, with the mouse and without it."""

import os
import subprocess
import sys

import httpx
import pytest

from tests.clients import environments
from tests.support.gateway import RunningGateway, settings_for
from tests.support.month import TEAMS, live_through
from tests.support.valkey import RunningValkey

ADMIN_KEY = "the admin key"
RECIPE = environments.Path(__file__).parents[2] / "support" / "browser"
WORLDS = [{"width": width, "dark": dark} for width in (1280, 390) for dark in (False, True)]
DRAWN = "document.querySelector('#pictures img')?.complete && document.querySelector('#draw').disabled === false"


@pytest.fixture(scope="module")
def house(sandbox_server):
    """Give a gateway that has been used for a month, and whose operator shows thumbnails."""
    valkey = RunningValkey()
    live_through(valkey.url)
    settings = settings_for(sandbox_server, valkey.url, server__admin_key=ADMIN_KEY, server__show_thumbnails=True)
    try:
        with RunningGateway(settings) as running:
            yield running
    finally:
        valkey.close()


@pytest.fixture(scope="module")
def axe():
    """Give the accessibility checker, as a script."""
    return (environments.node(RECIPE) / "node_modules/axe-core/axe.min.js").read_text()


def log_in(tab, gateway, path="/dashboard"):
    tab.open(gateway.url + path)
    tab.until("document.activeElement.id === 'key'")
    tab.type(ADMIN_KEY)
    tab.press("Enter")
    tab.until(READY[path])


READY = {
    "/dashboard": "document.querySelector('#status')?.textContent.startsWith('As of')",
    "/playground": "document.querySelector('#parameters')?.children.length > 0",
}


def shortcomings(tab, axe):
    """Tell what the checker finds, of all that WCAG 2.2 AA and good practice ask for."""
    tab.script(axe)
    return tab.script(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
        ".then(found => found.violations.map(v => `${v.id}: ${v.nodes.map(n => n.html.slice(0, 150)).join(' | ')}`))"
    )


def assert_sound(tab, axe, gateway):
    """Check that nobody is shut out, nothing is cut off, nothing complains, and nothing comes from elsewhere."""
    assert [] == shortcomings(tab, axe)
    assert tab.script("document.documentElement.scrollWidth <= window.innerWidth")
    assert [] == tab.complaints()
    elsewhere = [url for url in tab.requested() if not url.startswith((gateway.url, "data:", "blob:"))]
    assert [] == elsewhere


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: f"{world['width']}-{'dark' if world['dark'] else 'light'}")
def test_the_dashboard_is_for_everybody(house, chromium, axe, tmp_path, world):
    """On a desk and on a phone, in the light and in the dark; the log-in as well."""
    with chromium.tab(**world) as tab:
        tab.open(house.url + "/dashboard")
        tab.until("document.activeElement.id === 'key'")
        assert_sound(tab, axe, house)
        log_in(tab, house)
        tab.until("document.querySelectorAll('.thumbnail').length > 3")
        tab.script("document.querySelectorAll('details').forEach(one => (one.open = true))")
        assert_sound(tab, axe, house)

        told = tab.text()
        tab.screenshot(tmp_path / "dashboard.png")

    assert all(team in told for team in TEAMS)
    for heading in ("The last 30 days", "By team", "By model", "Limits", "Recent generations", "Keys"):
        assert heading in told
    assert "of $60.00" in told


def test_without_small_pictures_no_room_is_kept_for_them(house, chromium):
    """On a phone, a generation then begins where its card does."""
    indent = (
        "document.querySelector('#recent-table tbody th').getBoundingClientRect().left"
        " - document.querySelector('#recent-table tbody tr').getBoundingClientRect().left"
    )
    with chromium.tab(width=390) as tab:
        log_in(tab, house)
        tab.until("document.querySelectorAll('.thumbnail').length > 3")
        beside = tab.script(indent)
        tab.script("document.querySelectorAll('.picture-cell').forEach(cell => cell.remove())")
        assert tab.script(indent) < 20 < beside


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: f"{world['width']}-{'dark' if world['dark'] else 'light'}")
def test_the_playground_is_for_everybody(house, chromium, axe, tmp_path, world):
    """With every model's form, and with a picture."""
    with chromium.tab(**world) as tab:
        log_in(tab, house, "/playground")
        for model in tab.script("[...document.querySelectorAll('#model option')].map(option => option.value)"):
            tab.choose("#model", model)
            if model in {"V3", "Qwen-Image-Edit", "gpt-image-1"}:
                assert [] == shortcomings(tab, axe)
        tab.choose("#model", "imagen-4.0-fast-generate-001")
        draw(tab, f"A fox in {world}")
        assert_sound(tab, axe, house)

        tab.screenshot(tmp_path / "playground.png")


def draw(tab, prompt):
    """Draw with a key made for it, and wait for the picture."""
    tab.click("#make-key")
    tab.until("document.querySelector('#key-status').textContent.startsWith('Draws for')")
    tab.fill("#prompt", prompt)
    tab.script("document.querySelector('#pictures').replaceChildren()")
    tab.click("#draw")
    tab.until(DRAWN)


def facts(tab):
    return tab.script(
        "Object.fromEntries([...document.querySelectorAll('#facts dt')].map(dt => [dt.innerText, dt.nextSibling.innerText]))"
    )


def test_the_playground_tells_what_a_picture_cost_and_whence_it_came(house, chromium):
    with chromium.tab() as tab:
        log_in(tab, house, "/playground")
        tab.choose("#model", "V3")
        draw(tab, "A fox that costs")
        assert ("$0.06", "miss") == (facts(tab)["Cost"], facts(tab)["Cache"])
        draw(tab, "A fox that costs")
        assert ("$0.00", "hit") == (facts(tab)["Cost"], facts(tab)["Cache"])
        tab.click("#anew")
        draw(tab, "A fox that costs")
        assert ("$0.06", "bypass") == (facts(tab)["Cost"], facts(tab)["Cache"])
        assert tab.script("document.querySelector('#pictures img').alt").startswith("A fox that costs")


def test_what_the_playground_shows_as_programs_runs(house, chromium, tmp_path):
    """It asks for the same: both are answered from the cache. No key stands in them."""
    prompt = 'A "fox" that isn\'t \\ $HOME `id`\nÜber \U0001f98a'
    with chromium.tab() as tab:
        log_in(tab, house, "/playground")
        tab.choose("#model", "V3")
        tab.choose("#parameter-magic_prompt", "OFF")
        tab.fill("#parameter-n", "1")
        draw(tab, prompt)
        key = tab.script(
            "import('./pages/'+document.querySelector('script').src.split('/')[4]+'/teamkey.js').then(m => m.currentKey())"
        )
        python = tab.script("document.querySelector('#python-code').textContent")
        curl = tab.script("document.querySelector('#curl-code').textContent")

    assert key not in python + curl
    environment = {**os.environ, "GATEWAY_KEY": key}
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run([sys.executable, "-I", "-"], input=python, check=False, **run)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "picture-0.png").read_bytes().startswith(b"\x89PNG")
    done = subprocess.run(["sh", "-c", curl.replace("curl ", "curl -si ", 1)], check=False, **run)
    assert "x-gateway-cache: hit" in done.stdout


def test_a_refusal_is_told_where_the_picture_would_be(house, chromium):
    with chromium.tab() as tab:
        log_in(tab, house, "/playground")
        tab.click("#draw")
        tab.until("document.querySelector('#failure').textContent.includes('A key is needed')")
        assert "pasted" == tab.script("document.activeElement.id")
        tab.fill("#pasted", "sk-gw-wrong")
        tab.click("#draw")
        tab.until("document.querySelector('#failure').textContent.includes('Incorrect API key')")


def test_a_key_is_made_used_and_revoked(house, chromium):
    """By the keyboard alone; the secret is shown once."""
    with chromium.tab() as tab:
        log_in(tab, house)
        tab.script("document.querySelector('#key-team').focus()")
        tab.type("art")
        tab.press("Tab")
        tab.type("<img src=x onerror=alert(1)>")
        tab.press("Tab")
        tab.press("Enter")
        secret = tab.until("document.querySelector('#new-key .secret')?.textContent")
        tab.until("document.activeElement.textContent === 'Copy'")
        assert 200 == models_status(house, secret)
        tab.until("document.body.innerText.includes('<img src=x onerror=alert(1)>')")
        tab.until("[...document.querySelectorAll('#keys-table button')].some(b => b.ariaLabel.includes('<img'))")

        tab.script(
            "[...document.querySelectorAll('#keys-table button')].find(b => b.ariaLabel.includes('<img')).focus()"
        )
        tab.press("Enter")
        tab.until("document.querySelector('#revoke').open")
        tab.until("document.activeElement.textContent === 'Keep it'")
        tab.press("Tab")
        tab.press("Enter")
        tab.until("![...document.querySelectorAll('#keys-table button')].some(b => b.ariaLabel.includes('<img'))")

        assert 401 == models_status(house, secret)
        tab.until("document.activeElement.id === 'keys'")
        tab.click("#ended")
        tab.until("document.querySelector('#keys-table').innerText.includes('revoked')")
        assert [] == tab.complaints()


def models_status(gateway, key):
    with gateway.http(key) as http:
        return http.get("/v1/models").status_code


def test_a_key_that_cannot_be_is_refused_in_words(house, chromium):
    with chromium.tab() as tab:
        log_in(tab, house)
        tab.script("document.querySelector('#create details').open = true")
        tab.fill("#key-team", "art")
        tab.fill("#key-budget", "1e12")
        tab.click("#create button.main")
        tab.until("document.querySelector('#create-problem').textContent.includes('budget_usd_per_month')")


def test_a_team_alone_can_be_looked_at(house, chromium):
    with chromium.tab() as tab:
        log_in(tab, house)
        tab.choose("#team", "research")
        tab.until(
            "document.querySelectorAll('#tables table:first-child tbody tr').length < 20 && "
            "[...document.querySelectorAll('#keys-table tbody tr')].length === 1"
        )
        rows = tab.script(
            "[...document.querySelectorAll('#recent-table td[data-name=Team]')].map(cell => cell.innerText)"
        )
        assert {"research"} == set(rows)


def test_everything_can_be_reached_by_the_keyboard_and_shows_it(house, chromium):
    """Each step of the way is a control that is seen and has a ring around it."""
    with chromium.tab() as tab:
        log_in(tab, house)
        controls = tab.script(
            "[...document.querySelectorAll('a, button, input, select, textarea, summary')]"
            ".filter(e => e.checkVisibility()).length"
        )
        tab.script("document.activeElement.blur()")
        reached = set()
        for _ in range(controls + 20):
            tab.press("Tab")
            name, ring = tab.script(
                "(e => [[...document.querySelectorAll('*')].indexOf(e), getComputedStyle(e).outlineStyle])"
                "(document.activeElement)"
            )
            if ring == "solid":
                reached.add(name)
        assert len(reached) >= controls


def test_the_policy_holds(house, chromium):
    """What somebody slipped into the page would not run, nor be loaded, nor be framed."""
    with chromium.tab() as tab:
        log_in(tab, house)
        blocked = tab.script(
            """new Promise(resolve => {
              const blocked = [];
              document.addEventListener('securitypolicyviolation', event => {
                blocked.push(event.effectiveDirective);
                if (blocked.length === 4) resolve(blocked.sort());
              });
              const script = document.createElement('script');
              script.textContent = 'window.ran = true';
              const image = new Image();
              image.src = 'http://127.0.0.1:9/x.png';
              const style = document.createElement('style');
              style.textContent = 'body { display: none }';
              document.body.append(script, image, style);
              fetch('http://127.0.0.1:9/').catch(() => {});
            })"""
        )
        assert ["connect-src", "img-src", "script-src-elem", "style-src-elem"] == blocked
        assert not tab.script("window.ran")


def test_one_logs_out_and_a_session_that_is_over_leads_to_the_log_in(house, chromium):
    with chromium.tab() as tab:
        log_in(tab, house)
        tab.click("#log-out")
        tab.until("location.pathname === '/login' && document.querySelector('#key')")
        log_in(tab, house)
        tab.call("Network.clearBrowserCookies")
        tab.click("#refresh")
        tab.until("location.pathname === '/login' && location.search === '?next=/dashboard'")


def test_no_script_sees_the_cookie(house, chromium):
    with chromium.tab() as tab:
        log_in(tab, house)
        assert "" == tab.script("document.cookie")


def test_nothing_is_shown_where_the_operator_does_not_allow_it(sandbox, valkey_url, chromium):
    """And a gateway that nobody has used yet looks sound as well."""
    with (
        RunningGateway(settings_for(sandbox, valkey_url, server__admin_key=ADMIN_KEY)) as fresh,
        chromium.tab() as tab,
    ):
        log_in(tab, fresh)
        assert "Nothing has been drawn yet" in tab.text()
        with httpx.Client(
            base_url=fresh.url, trust_env=False, headers={"authorization": f"Bearer {fresh.key()}"}
        ) as http:
            http.post("/v1/images/generations", json={"model": "V3", "prompt": "a fox"})
        tab.click("#refresh")
        tab.until("document.querySelector('#recent-table').innerText.includes('delivered')")
        assert 0 == tab.script("document.querySelectorAll('img').length")
        assert [] == tab.complaints()
