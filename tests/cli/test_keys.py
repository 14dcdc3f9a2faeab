import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.cli import main

KEY = re.compile(r"sk-gw-([a-z0-9]{12})-[A-Za-z0-9]{43}")


class Printed(NamedTuple):
    stdout: str
    stderr: str


@pytest.fixture
def gateway_keys(valkey_url, capsys, monkeypatch):
    """Run `gateway keys ...` on an empty Valkey; returns what it printed, once its exit code is as told."""

    def run(*arguments, code=0, environ=None):
        with monkeypatch.context() as process:
            for name, value in ({"REDIS_URL": valkey_url} | (environ or {})).items():
                process.setenv(name, value)
            process.setattr(sys, "argv", ["gateway", "keys", *arguments])
            with pytest.raises(SystemExit) as ended:
                main()
        printed = capsys.readouterr()
        assert ended.value.code == code, printed
        return Printed(printed.out, printed.err)

    return run


def made(gateway_keys, *arguments):
    return json.loads(gateway_keys("create", "--team", "art", "--json", *arguments).stdout)


def test_create_prints_the_secret_alone_on_stdout(gateway_keys):
    """So that a shell can take it; what to know about it goes to stderr."""
    result = gateway_keys("create", "--team", "art")
    key_id = KEY.fullmatch(result.stdout.strip())[1]
    assert result.stderr == (
        f"Keep it now: it is not shown again. Team art, id {key_id}, counts until it is revoked.\n"
    )


def test_create_json_holds_the_secret_as_key_and_all_that_was_asked_for(gateway_keys):
    """Models are written as the catalogue calls them, whatever name was given."""
    told = made(
        gateway_keys, "--name", "ci", "--models", "imagen-4.0-generate-001, v3", "--expires", "90d", "--no-cache"
    )
    assert KEY.fullmatch(told["key"])[1] == told["id"]
    assert (told["team"], told["name"], told["state"], told["no_cache"]) == ("art", "ci", "active", True)
    assert told["models"] == ["imagen-4.0-generate-001", "V3"]
    assert told["expires"] - told["created"] == 90 * 86_400


def test_create_takes_every_limit(gateway_keys):
    """And for how long images are replayed; money is dollars, to the micro-dollar."""
    limits = "--requests-per-minute 60 --images-per-day 0 --budget-usd-per-month 12.500001 --max-concurrent none"
    told = made(gateway_keys, *limits.split(), "--cache-ttl", "10m")
    assert (told["requests_per_minute"], told["images_per_day"], told["max_concurrent"]) == (60, 0, None)
    assert (told["budget_usd_per_month"], told["cache_ttl_s"]) == (12.500001, 600)
    assert told["expires"] is None


def test_set_changes_what_is_given_and_nothing_else(gateway_keys):
    """A limit is lifted by none, models by all, an end by never."""
    first = made(gateway_keys, "--images-per-day", "5", "--models", "V3", "--expires", "90d", "--cache-ttl", "10m")

    def changed(*options):
        return json.loads(gateway_keys("set", first["id"], "--json", *options).stdout)

    told = changed("--max-concurrent", "2")
    same = {name: told[name] for name in first if name not in {"key", "max_concurrent"}}
    assert same == {name: first[name] for name in same}
    assert told["max_concurrent"] == 2
    told = changed(
        *"--images-per-day none --models all --expires never --no-cache --cache-ttl default --name n".split()
    )
    assert (told["images_per_day"], told["models"], told["expires"], told["no_cache"]) == (None, [], None, True)
    assert (told["cache_ttl_s"], told["name"], told["max_concurrent"]) == (None, "n", 2)
    told = changed("--cache", "--expires", "1h")
    assert told["no_cache"] is False
    assert 3590 <= told["expires"] - first["created"] <= 3900
    assert "concurrent   2" in gateway_keys("set", first["id"], "--cache").stdout


def test_set_without_a_change_is_wrong_usage(gateway_keys):
    """It says so rather than do nothing."""
    assert "There is nothing to change" in gateway_keys("set", made(gateway_keys)["id"], code=2).stderr


def test_list_shows_every_key_and_no_secret(gateway_keys):
    """As a table and as JSON, of one team or of all."""
    first, second = made(gateway_keys), json.loads(gateway_keys("create", "--team", "zoo", "--json").stdout)
    listed = gateway_keys("list").stdout
    assert [line[:12] for line in listed.splitlines()] == ["ID          ", first["id"], second["id"]]
    told = json.loads(gateway_keys("list", "--team", "zoo", "--json").stdout)
    assert [key["id"] for key in told] == [second["id"]]
    assert "key" not in told[0]
    assert not KEY.search(listed)


def test_an_empty_list_says_what_to_do(gateway_keys):
    """On stderr; JSON is an empty list."""
    assert gateway_keys("list").stderr == "There is no key yet: make one by `gateway keys create --team T`.\n"
    assert "no key of team zoo yet" in gateway_keys("list", "--team", "zoo").stderr
    assert json.loads(gateway_keys("list", "--json").stdout) == []


def test_a_whole_key_does_for_an_id_and_is_not_echoed(gateway_keys):
    """In every command that takes one."""
    told = made(gateway_keys)
    for command in ("show", "revoke"):
        printed = gateway_keys(command, told["key"])
        assert told["id"] in printed.stdout
        assert told["key"][20:] not in printed.stdout + printed.stderr
    assert json.loads(gateway_keys("show", told["key"], "--json").stdout)["state"] == "revoked"


def test_revoke_ends_a_key(gateway_keys):
    """And says since when."""
    key_id = made(gateway_keys)["id"]
    assert re.fullmatch(
        rf"The key {key_id} of team art is revoked, since \d{{4}}-\d\d-\d\d \d\d:\d\d UTC\.\n",
        gateway_keys("revoke", key_id).stdout,
    )
    assert json.loads(gateway_keys("show", key_id, "--json").stdout)["state"] == "revoked"


def test_rotate_makes_a_new_key_and_tells_the_fate_of_the_old(gateway_keys):
    """With grace it counts a little longer, without it is over."""
    first = made(gateway_keys, "--name", "ci")
    second = json.loads(gateway_keys("rotate", first["id"], "--grace", "1h", "--json").stdout)
    assert (second["team"], second["name"]) == ("art", "ci")
    old = json.loads(gateway_keys("show", first["id"], "--json").stdout)
    assert (old["replaced_by"], old["state"], old["expires"]) == (second["id"], "active", second["created"] + 3600)
    result = gateway_keys("rotate", second["id"])
    assert KEY.fullmatch(result.stdout.strip())
    assert result.stderr.endswith(f"It replaces the key {second['id']}, which is revoked.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create"], "Missing option '--team'"),
        (["create", "--team", "Art"], "'Art' is not a team name: use 1 to 63 of"),
        (["create", "--team", "art", "--expires", "90"], "'90' is not a duration: write a whole number and a unit"),
        (["create", "--team", "art", "--expires", "0d"], "cannot expire after 0 seconds"),
        (["create", "--team", "art", "--models", "V3,nope"], "--models: The model 'nope' does not exist"),
        (["create", "--team", "art", "--models", ""], "--models is empty: name some, or write all."),
        (["create", "--team", "art", "--models", "gpt-4o-image"], "'gpt-4o-image' is not supported"),
        (["create", "--team", "art", "--images-per-day", "-1"], "images_per_day = -1: expected a whole number from 0"),
        (["create", "--team", "art", "--images-per-day", "1.5"], "images_per_day = 1.5: expected a whole number"),
        (
            ["create", "--team", "art", "--max-concurrent", "few"],
            "max_concurrent = few: expected a whole number from 1",
        ),
        (["create", "--team", "art", "--budget-usd-per-month", "1e3"], "budget_usd_per_month = 1e3: expected dollars"),
        (["create", "--team", "art", "--budget-usd-per-month", "0.0000001"], "with at most 6 decimals, or none."),
        (["create", "--team", "art", "--cache-ttl", "never"], "'never' is not a duration"),
        (["show", "abc"], "'abc' is not a key id: give the 12 letters and digits"),
        (["list", "--team", "A"], "'A' is not a team name"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_right(gateway_keys, arguments, said):
    """Nothing is made."""
    result = gateway_keys(*arguments, code=2)
    assert said in result.stderr
    assert result.stdout == ""
    assert json.loads(gateway_keys("list", "--json").stdout) == []


def test_a_setting_that_is_wrong_exits_2(gateway_keys):
    """With the line that the settings give."""
    said = gateway_keys("list", code=2, environ={"GATEWAY_NOPE": "1"}).stderr
    assert said.startswith("Error: GATEWAY_NOPE: unknown variable")
    said = gateway_keys("list", code=2, environ={"REDIS_URL": "redis://:pa/ss@h"}).stderr
    assert re.fullmatch(r"Error: redis.url: A Redis URL that cannot be read .*:6379/0\.\n", said)
    said = gateway_keys("create", "--team", "art", "--models", "V3", code=2, environ={"GATEWAY_MODELS": "/nowhere"})
    assert said.stderr == "Error: /nowhere: No such file or directory\n"


def test_an_unknown_id_exits_1(gateway_keys):
    """And says where to look."""
    said = "Error: There is no key 'abcdef012345': `gateway keys list` shows them all.\n"
    assert gateway_keys("show", "abcdef012345", code=1).stderr == said


def test_a_redis_that_is_away_exits_1_and_names_the_setting(gateway_keys):
    """One line, no traceback."""
    result = gateway_keys("list", code=1, environ={"REDIS_URL": "unix:///nowhere"})
    assert re.fullmatch(r"Error: Redis does not answer; check REDIS_URL: .*nowhere.*\n", result.stderr)


def test_help_has_examples_and_fits_a_terminal(gateway_keys):
    """For the group and every command."""
    for arguments in ([], ["create"], ["set"], ["list"], ["show"], ["revoke"], ["rotate"]):
        text = gateway_keys(*arguments, "--help").stdout
        assert re.search(r"Examples:\n +gateway keys ", text)
        assert max(len(line) for line in text.splitlines()) <= 100


def test_the_command_works_as_a_process_with_a_store_of_its_own(tmp_path):
    """Without REDIS_URL a key that one command made is found by the next."""

    def run(*arguments):
        argv = [sys.executable, "-m", "gateway", "keys", *arguments, "--json"]
        ended = subprocess.run(
            argv, capture_output=True, env={"GATEWAY_STATE_DIR": str(tmp_path / "state")}, check=True, timeout=60
        )
        return json.loads(ended.stdout)

    told = run("create", "--team", "art")
    assert [key["id"] for key in run("list")] == [told["id"]]


@contextmanager
def nowhere(kind):
    """Give a standard output that takes nothing: closed, a pipe that nobody reads, or a full disk."""
    if kind == "full":
        if not Path("/dev/full").exists():
            pytest.skip("this system has no /dev/full")
        with Path("/dev/full").open("wb", buffering=0) as full:
            yield full
        return
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize("kind", ["closed", "unread", "full"])
@pytest.mark.parametrize("command", ["create", "rotate"])
def test_a_key_that_cannot_be_shown_is_revoked(gateway_keys, valkey_url, command, kind, form):
    """Its secret would be lost while it counts; the command says so and fails."""
    old = None if command == "create" else made(gateway_keys)["id"]
    argv = [sys.executable, "-m", "gateway", "keys", command, *form, *([old] if old else ["--team", "art"])]
    if kind == "closed":
        argv = ["sh", "-c", 'exec "$@" >&-', "sh", *argv]
    with nowhere(kind) as stdout:
        ended = subprocess.run(
            argv, stdout=stdout, stderr=subprocess.PIPE, env={"REDIS_URL": valkey_url}, check=False, timeout=60
        )

    (key,) = [key for key in json.loads(gateway_keys("list", "--json").stdout) if key["id"] != old]
    said = ended.stderr.decode()
    assert (1, "revoked") == (ended.returncode, key["state"])
    assert f"The key {key['id']} of team art was made, but not shown: " in said
    assert f"Error: The key {key['id']} is revoked, since nobody knows its secret.\n" in said
    assert "Exception" not in said
    assert bool(old and not form) == ("It replaces the key" in said)
