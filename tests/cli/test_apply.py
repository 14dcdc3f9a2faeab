import json
import re
import subprocess
import sys

import pytest

from gateway.cli import main

FILE = """
[teams.art]
images_per_day = 500
budget_usd_per_month = 50.25

[teams.art.keys.laptop]
models = ["gpt-image-1", "v3"]
requests_per_minute = 10
no_cache = true
cache_ttl = "10m"

[teams.ops]
max_concurrent = "none"
"""
LINES = [
    "+ team art",
    "+ team art: images_per_day 500",
    "+ team art: budget_usd_per_month 50.25",
    "+ key art/laptop",
    "+ key art/laptop: requests_per_minute 10",
    "+ key art/laptop: models gpt-image-1, V3",
    "+ key art/laptop: no_cache true",
    "+ key art/laptop: cache_ttl 600s",
    "+ team ops",
]


@pytest.fixture
def gateway(valkey_url, capsys, monkeypatch):
    """Run `gateway ...` on an empty Valkey; returns its standard output and error, once its code is as told."""

    def run(*arguments, code=0):
        with monkeypatch.context() as process:
            process.setenv("REDIS_URL", valkey_url)
            process.setattr(sys, "argv", ["gateway", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                main()
        printed = capsys.readouterr()
        assert ended.value.code == code, printed
        return printed.out, printed.err

    return run


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "teams.toml"
    path.write_text(FILE)
    return path


def told(gateway, *arguments):
    return json.loads(gateway(*arguments, "--json")[0])


def everything(gateway):
    return told(gateway, "teams", "list"), told(gateway, "keys", "list")


def test_a_dry_run_shows_the_difference_and_changes_nothing(gateway, file):
    """Each line tells one thing."""
    out, err = gateway("apply", file, "--dry-run")
    assert out.splitlines() == LINES
    assert err == ""
    assert everything(gateway) == ([], [])


def test_applying_makes_what_the_file_says(gateway, file):
    """Teams, their limits, and keys, whose secrets are shown this once."""
    out, err = gateway("apply", file)
    lines = out.splitlines()
    assert lines[: len(LINES)] == LINES
    assert lines[len(LINES) + 1].split() == ["KEY", "ID", "SECRET"]
    name, key_id, secret = lines[-1].split()
    assert (name, secret[:19]) == ("art/laptop", f"sk-gw-{key_id}-")
    assert err == "Keep these keys now: they are not shown again.\n"
    teams, keys = everything(gateway)
    assert [(team["team"], team["images_per_day"], team["budget_usd_per_month"]) for team in teams] == [
        ("art", 500, 50.25),
        ("ops", None, None),
    ]
    (key,) = keys
    assert (key["id"], key["team"], key["name"], key["models"]) == (key_id, "art", "laptop", ["gpt-image-1", "V3"])
    assert (key["requests_per_minute"], key["no_cache"], key["cache_ttl_s"]) == (10, True, 600)


def test_applying_twice_changes_nothing(gateway, file):
    """Not even the second of a creation."""
    gateway("apply", file)
    before = everything(gateway)
    assert gateway("apply", file)[0] == "Nothing to change.\n"
    assert everything(gateway) == before


def test_what_the_file_leaves_out_is_lifted(gateway, file):
    """Of a team and of a key: the file says all that there is of them, but for the end of a key."""
    gateway("apply", file)
    (key,) = told(gateway, "keys", "list")
    gateway("keys", "set", key["id"], "--expires", "30d", "--max-concurrent", "3")
    file.write_text('[teams.art]\nimages_per_day = 100\nmax_concurrent = 5\n[teams.art.keys.laptop]\nmodels = ["V3"]\n')
    lines = [
        "~ team art: images_per_day 500 -> 100",
        "- team art: budget_usd_per_month 50.25",
        "+ team art: max_concurrent 5",
        "- key art/laptop: requests_per_minute 10",
        "- key art/laptop: max_concurrent 3",
        "~ key art/laptop: models gpt-image-1, V3 -> V3",
        "- key art/laptop: no_cache true",
        "- key art/laptop: cache_ttl 600s",
    ]
    assert told(gateway, "apply", file, "--dry-run")["changes"] == lines
    assert gateway("apply", file)[0].splitlines() == lines
    teams, (changed,) = everything(gateway)
    assert teams[0] | {"created": 0} == {
        "team": "art", "created": 0, "requests_per_minute": None, "images_per_day": 100,
        "budget_usd_per_month": None, "max_concurrent": 5,
    }  # fmt: skip
    assert (changed["id"], changed["models"], changed["requests_per_minute"]) == (key["id"], ["V3"], None)
    assert (changed["no_cache"], changed["cache_ttl_s"], changed["max_concurrent"]) == (False, None, None)
    assert changed["expires"] is not None


def test_what_is_not_in_the_file_is_left_alone_and_named(gateway, file):
    """Teams, and keys of its teams; keys that ended are no news."""
    gateway("teams", "set", "zoo", "--images-per-day", "1")
    other = told(gateway, "keys", "create", "--team", "art", "--name", "other")
    nameless = told(gateway, "keys", "create", "--team", "ops")
    ended = told(gateway, "keys", "create", "--team", "ops", "--name", "ended")
    gateway("keys", "revoke", ended["id"])
    _, err = gateway("apply", file)
    assert err.splitlines()[1:] == [
        "Not in the file and left alone: teams zoo.",
        f"Not in the file and left alone: keys art/other, ops/{nameless['id']}.",
    ]
    assert told(gateway, "apply", file)["left_alone"] == {
        "teams": ["zoo"],
        "keys": ["art/other", f"ops/{nameless['id']}"],
    }
    assert told(gateway, "teams", "show", "zoo")["images_per_day"] == 1
    assert told(gateway, "keys", "show", other["id"])["state"] == "active"


def test_a_rotated_key_is_the_one_that_replaced_it(gateway, file):
    """The old one counts for a while, but its name is the new one's; a revoked one is made anew."""
    (first,) = told(gateway, "apply", file)["created"]
    second = told(gateway, "keys", "rotate", first["id"], "--grace", "1h")
    assert told(gateway, "apply", file)["changes"] == []
    gateway("keys", "revoke", second["id"])
    (third,) = told(gateway, "apply", file)["created"]
    assert third["id"] not in {first["id"], second["id"]}
    assert third["key"].startswith(f"sk-gw-{third['id']}-")


def test_two_keys_of_one_name_stop_it_before_anything_is_done(gateway, file):
    """For it cannot know which is meant."""
    for _ in range(2):
        gateway("keys", "create", "--team", "art", "--name", "laptop")
    ids = [key["id"] for key in told(gateway, "keys", "list")]
    before = everything(gateway)
    _, err = gateway("apply", file, code=1)
    assert err == f"Error: The key art/laptop is {ids[0]} and {ids[1]}: revoke or rename all but one of them.\n"
    assert everything(gateway) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[teams", "not TOML: "),
        ("team = 1", "team: unknown key; the nearest known one is teams"),
        ("teams = 1", "teams = 1: expected a table"),
        ("[teams]\nart = 1", "teams.art = 1: expected a table"),
        ("[teams.Art]", "teams.Art: 'Art' is not a team name: use 1 to 63"),
        (
            "[teams.art]\nimage_per_day = 1",
            "teams.art.image_per_day: unknown key; the nearest known one is images_per_",
        ),
        ("[teams.art]\nimages_per_day = -1", "teams.art.images_per_day = -1: expected a whole number from 0"),
        ("[teams.art]\nimages_per_day = 1.0", "teams.art.images_per_day = 1.0: expected a whole number from 0"),
        ("[teams.art]\nimages_per_day = '5'", "teams.art.images_per_day = 5: expected a whole number from 0"),
        ("[teams.art]\nbudget_usd_per_month = nan", "teams.art.budget_usd_per_month = NaN: expected dollars from 0"),
        (
            "[teams.art]\nbudget_usd_per_month = 0.1234567",
            "teams.art.budget_usd_per_month = 0.1234567: expected dollars",
        ),
        ("[teams.art]\nkeys = 1", "teams.art.keys = 1: expected a table"),
        ("[teams.art.keys]\na = 1", "teams.art.keys.a = 1: expected a table"),
        ("[teams.art.keys.'']", "teams.art.keys.: a key of the file needs a name"),
        ("[teams.art.keys.a]\nmodel = 1", "teams.art.keys.a.model: unknown key; the nearest known one is models"),
        ("[teams.art.keys.a]\nmodels = 'V3'", "teams.art.keys.a.models = 'V3': expected a list of model names"),
        ("[teams.art.keys.a]\nmodels = []", "teams.art.keys.a.models is empty: name some, or leave it out for all"),
        ("[teams.art.keys.a]\nmodels = ['V9']", "teams.art.keys.a.models: The model 'V9' does not exist"),
        ("[teams.art.keys.a]\nno_cache = 1", "teams.art.keys.a.no_cache = 1: expected true or false"),
        ("[teams.art.keys.a]\ncache_ttl = 60", 'teams.art.keys.a.cache_ttl = 60: expected a duration, such as "10m"'),
        ("[teams.art.keys.a]\ncache_ttl = '60'", "teams.art.keys.a.cache_ttl: '60' is not a duration"),
        ("[teams.art.keys.a]\ncache_ttl = '999w'", "teams.art.keys.a: A key's pictures cannot be replayed for"),
        (f"[teams.art.keys.{'a' * 65}]", f"teams.art.keys.{'a' * 65}: The name"),
    ],
)
def test_a_fault_in_the_file_is_one_line_that_names_the_place(gateway, file, text, said):
    """Before anything is done."""
    file.write_text(f"[teams.before]\n{text}" if text.startswith("[teams.") else text)
    _, err = gateway("apply", file, code=2)
    assert err.startswith(f"Error: {file}: {said}")
    assert err.count("\n") == 1
    assert everything(gateway) == ([], [])


def test_a_file_that_cannot_be_read_is_one_line(gateway, tmp_path):
    """With the system's reason."""
    assert gateway("apply", tmp_path / "none.toml", code=2)[1].endswith("none.toml: No such file or directory\n")
    (tmp_path / "latin.toml").write_bytes(b"# \xe4")
    assert gateway("apply", tmp_path / "latin.toml", code=2)[1].endswith("latin.toml: it is not UTF-8 text\n")


def test_keys_that_cannot_be_shown_are_revoked(gateway, file, valkey_url):
    """Their secrets would be lost while they count."""
    file.write_text(FILE + "[teams.ops.keys.a]\n")
    argv = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "gateway", "apply", str(file)]
    ended = subprocess.run(argv, stderr=subprocess.PIPE, env={"REDIS_URL": valkey_url}, check=False, timeout=60)
    keys = told(gateway, "keys", "list")
    assert (1, ["revoked", "revoked"]) == (ended.returncode, [key["state"] for key in keys])
    for key in keys:
        assert f"The key {key['id']} is revoked, since nobody knows its secret." in ended.stderr.decode()


def test_help_tells_the_form_of_the_file_and_fits_a_terminal(gateway, file):
    """What it shows as an example is one."""
    text, _ = gateway("apply", "--help")
    assert max(len(line) for line in text.splitlines()) <= 100
    example = re.search(r"for example:\n(.*?)\n *Examples:", text, re.DOTALL)[1]
    file.write_text(example)
    assert "+ team art: images_per_day 500" in gateway("apply", file, "--dry-run")[0].splitlines()
