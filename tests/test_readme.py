import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import structlog
from click.testing import CliRunner
from litestar import Litestar

from gateway.api.access import _EXPOSED
from gateway.api.admin import admin_router
from gateway.api.admin.brakes import brakes_router
from gateway.api.admin.consumption import consumption_router
from gateway.api.admin.generations import cache_router, generations_router
from gateway.api.admin.models import models_router
from gateway.api.admin.thumbnails import thumbnails_router
from gateway.api.admin.usage import usage_router
from gateway.api.docs.errors import FAILURES
from gateway.api.docs.models import row
from gateway.api.docs.wording import HEADERS, REQUEST_HEADERS
from gateway.catalog import load_catalog
from gateway.cli import COMMANDS as COMMAND_NAMES
from gateway.cli import gateway as command_line
from gateway.cli.wanted import read_wanted
from gateway.sandbox.drills import in_prompt
from gateway.settings import _OWN_NAMES, KINDS, load_settings, shipped, variables
from gateway.store.brakes import Brakes
from gateway.store.ended_sessions import EndedSessions
from gateway.store.keys import Keys
from gateway.store.limits import KINDS as KINDS_OF_LIMITS
from gateway.store.probe import try_write
from gateway.store.schema import migrate
from gateway.store.secrets import signing_key
from gateway.telemetry import log
from gateway.telemetry.declarations import ALL
from gateway.telemetry.events import GenerationFinished, RequestFinished
from gateway.telemetry.lines import LogListener
from gateway.telemetry.phases import Phases
from tests.support.books import Books

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def blocks(language):
    """Find the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def table(first_column):
    """Read the body of the table whose head begins so, as lines."""
    after = README.partition(f"| {first_column} |")[2].partition("\n")[2]
    lines = after.split("\n\n")[0].splitlines()
    return lines[1:]


def test_the_table_of_models_is_the_catalogue():
    told = [row(model) for model in load_catalog(shipped("models.toml")).models]
    assert table("Model") == [
        f"| `{r['id']}` | `{r['path']}` | {r['sizes']} | {r['native_n']} | {r['reference_image']} | {r['price']} |"
        for r in told
    ]


def test_the_table_of_errors_is_what_can_be_raised():
    advice = {True: "`true`", False: "`false`", None: ""}
    assert table("Status") == [
        f"| {row.status} | `{row.type}` | `{row.code or 'null'}` | {advice[row.should_retry]} | {row.when} |"
        for row in FAILURES
    ]


def defaults():
    """Give each variable's default as one would write it; None where it is empty."""
    settings = load_settings({})
    for key in KINDS:
        section, _, name = key.partition(".")
        value = getattr(getattr(settings, section), name)
        yield variables(key)[0], str(value).lower() if isinstance(value, bool) else str(value) if value else None


def test_the_table_of_variables_tells_true_names_and_defaults():
    known = dict(defaults())
    for line in table("Variable"):
        name, told, _ = (cell.strip(" `") for cell in line.strip("|").split("|"))
        shown = None if told == "none" or told.startswith("as `") else told
        assert known[name] == shown, line


def test_every_variable_that_the_text_names_exists():
    known = {name for key in KINDS for name in variables(key)} | {"GATEWAY_CONFIG"}
    named = set(re.findall(r"\b(?:GATEWAY|AIHUBMIX)_[A-Z_]+[A-Z]|\bREDIS_URL", README))
    assert named <= known
    assert set(_OWN_NAMES.values()) - named == {"GATEWAY_MODELS"}


def test_every_link_leads_to_a_file():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert "config/gateway.toml" in links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    assert {"run", "test", "help"} <= named <= targets


def test_every_marker_of_the_sandbox_exists():
    markers = re.findall(r"\[\[sandbox:.*?\]\]", README)
    assert len(in_prompt(" ".join(markers))) == len(table("In the prompt")) > 0


COMMANDS = re.findall(
    r"\bgateway ((?:keys|teams|apply|usage|generations|cache|brakes|models|check|sandbox|serve)\b.*)$",
    "\n".join(blocks("sh")),
    re.MULTILINE,
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one(command):
    """With --help behind it, a command is read, options and all, but not run."""
    result = CliRunner().invoke(command_line, [*command.split(), "--help"])
    assert result.exit_code == 0, result.output


def leaves(command, path=()):
    """Walk the command line down to what can be run."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), (*path, name))
    else:
        yield path, command


def line_of(path, command):
    """Write the line of a command: how it is called, its options, its first sentence."""
    options = ["/".join([*o.opts, *o.secondary_opts]) for o in command.params if isinstance(o, click.Option)]
    arguments = [o.make_metavar(click.Context(command)) for o in command.params if isinstance(o, click.Argument)]
    limits = [f"--{name.replace('_', '-')}" for name in KINDS_OF_LIMITS]
    told = [f"`{name}`" for name in options]
    if set(limits) <= set(options):
        at = options.index(limits[0])
        told[at : at + len(limits)] = ["the limits"]
    what = command.help.partition("\n\n")[0].replace("\n", " ")
    return f"| `gateway {' '.join([*path, *arguments])}` | {', '.join(told)} | {what} |"


def test_the_table_of_commands_is_the_command_line():
    """Every command, with every option and argument."""
    assert table("Command") == [line_of(*leaf) for leaf in leaves(command_line)]


def test_every_option_has_a_help():
    """For `--help` is where people look."""
    options = [option for _, command in leaves(command_line) for option in command.params]
    assert [option.name for option in options if isinstance(option, click.Option) and not option.help] == []


def test_the_table_of_headers_is_what_is_sent_and_read():
    """Those of answers, then those of requests; all that scripts in browsers may read is in it."""
    told = {name: text for name, (text, _) in HEADERS.items()}
    assert table("Header") == [f"| `{name}` | {text} |" for name, text in (told | REQUEST_HEADERS).items()]
    assert {name.strip() for name in _EXPOSED.split(",")} == set(HEADERS) - {"openai-version"}


def test_the_table_of_checks_is_what_is_looked_at(command, sandbox):
    """In the order in which `gateway check` tells of it, where there is something to tell of each."""
    named = [name for line in table("It looks at") for name in re.findall("`(\\w+)`", line.split("|")[1])]
    modules = [path.read_text() for path in (ROOT / "gateway/cli/checks").glob("*.py")]
    looked_at = set(re.findall(r'(?:ok|warning|problem|_reach)\(\s*"(\w+)"', "".join(modules)))
    assert set(named) == looked_at
    command("brakes", "off", "V3")
    upstream = {"AIHUBMIX_BASE_URL": sandbox.base_url, "AIHUBMIX_TASKS_URL": sandbox.tasks_url}
    told = json.loads(command("check", "--json", code=1, **upstream).stdout)  # this Valkey outlives nothing
    assert named == list(dict.fromkeys(finding["about"] for finding in told["findings"]))


def test_the_commands_are_found():
    assert {command.split()[0] for command in COMMANDS} == set(COMMAND_NAMES) - {"check", "models"}


def test_the_file_of_teams_is_one(tmp_path):
    """And `gateway apply` reads out of it what the comments say."""
    (example,) = blocks("toml")
    (tmp_path / "teams.toml").write_text(example)
    art, ops = read_wanted(tmp_path / "teams.toml", load_catalog(shipped("models.toml")))
    assert [key.name for key in (*art.keys, *ops.keys)] == ["laptop", "ci"]
    assert set(ops.limits.values()) == {None}


def test_the_table_of_metrics_is_their_declarations():
    """Every metric, with its type, unit, labels and sentence."""
    assert table("Metric") == [
        f"| `{m.name}` | {m.kind} | {m.unit} | {', '.join(f'`{label}`' for label in m.labels)} | {m.what} |"
        for m in ALL
    ]


@pytest.mark.parametrize("line", blocks("json")[1].splitlines(), ids=["generation", "request"])
def test_the_lines_of_the_log_are_what_is_written(line):
    """Its fields, no more and no fewer."""
    told = json.loads(line)
    with structlog.testing.capture_logs([log._add_context]) as captured:
        log.tag(request_id="req_1")
        phases = Phases()
        if told["event"] == "generation.finished":
            log.tag(generation_id="gen_1")
            LogListener()(GenerationFinished("gen_1", "art", "k", "V3", "delivered", 1, 1, 60_000, 1.0, phases.laps))
        else:
            facts = {
                name: told[name] for name in ("team", "key_id", "model", "generation_id", "cache", "images", "cost_usd")
            }
            LogListener()(RequestFinished("req_1", "POST", "/x", 200, 1.0, facts | {"phases": [phases]}))
    assert told.keys() == captured[0].keys() - {"log_level", "exc_info"}


def test_the_table_of_limits_is_complete():
    """Every limit, and the option of its name."""
    told = [[cell.strip(" `") for cell in line.strip("|").split("|")[:2]] for line in table("Limit")]
    assert told == [[name, f"--{name.replace('_', '-')}"] for name in KINDS_OF_LIMITS]


def test_the_table_of_the_admin_api_is_its_routes():
    """No more and no fewer."""
    told = [re.match(r"\| `(\w+) (\S+)`", line).groups() for line in table("Request")]
    others = [
        usage_router(usage=None, generations=None, reconciliation=None, clock=None),
        generations_router(generations=None, brakes=None),
        cache_router(ledger=None, generations=None, catalog=None),
        brakes_router(brakes=None, catalog=None),
        consumption_router(consumption=None),
        models_router(catalog=load_catalog(shipped("models.toml")), default_model="V3"),
        thumbnails_router(thumbnails=None),
    ]
    router = admin_router(admin_key="x", keys=None, teams=None, catalog=None, clock=None, others=others)
    routes = [
        (method, re.sub(r"\{(?:\w+_)?(\w+):str\}", r"{\1}", route.path))
        for route in Litestar([router]).routes
        for method in route.methods - {"OPTIONS"}
        if route.path.startswith("/admin")
    ]
    assert sorted(told) == sorted(routes)


async def test_every_key_that_lies_in_redis_is_in_the_table(redis_client):
    """With its type, whatever the gateway has done; and whatever the table tells is somewhere."""
    told = {}
    for line in table("Key"):
        pattern, kind = (cell.strip(" `") for cell in line.strip("|").split("|")[:2])
        literal = re.escape(pattern.replace("{team}", "{art}"))
        told[re.sub(r"<\w+>", lambda _: r"[\w:]+", literal)] = kind
    await everything(redis_client)
    seen = set()
    for name in await redis_client.keys("*"):
        kind = (await redis_client.type(name)).decode()
        fits = [pattern for pattern, type_ in told.items() if type_ == kind and re.fullmatch(pattern, name.decode())]
        assert fits, f"{name!r}, a {kind}"
        seen.update(fits)
    assert set(told) - seen == set()


async def everything(redis):
    """Let a gateway do all that leaves something in Redis."""
    await migrate(redis)
    await try_write(redis)
    await EndedSessions(redis).add("0" * 32, left_s=60)
    await redis.set("signing-key", await signing_key(redis, ""))
    await redis.set(f"blob:{'0' * 64}", b"an image")
    books = Books(redis)
    brakes = Brakes(redis, books.scripts)
    made = await Keys(redis).create("art", "laptop")
    await redis.hset(f"{{art}}:key:{made.id}", "requests_per_minute", 1000)
    await brakes.set_budget(10**9)
    await brakes.reserve("gen_01995e1c2d00000000000001", "art", 1)
    await brakes.settle("gen_01995e1c2d00000000000000", 1)
    shared = {"key": made.id, "shared": True, "stores": True}
    await books.deliver(await books.lead(**shared))
    await books.lose(await books.lead(**shared))
    await books.deliver(await books.lead(key=made.id))
    await books.lead(**shared, idempotency="d" * 64, body="b")


@pytest.mark.parametrize("example", blocks("python"), ids=["start", "parameters", "reference", "repetition"])
def test_every_python_example_runs_and_tells_the_truth(example, gateway, key, tmp_path):
    """What an example says that it prints, in the comment behind each print, is what it prints."""
    (tmp_path / "cat.png").write_bytes(PIXEL)
    example = example.replace("http://127.0.0.1:8080/v1", f"{gateway.url}/v1").replace("sk-gw-...", key)
    done = subprocess.run(
        [sys.executable, "-I", "-"],
        input=example,
        cwd=tmp_path,
        env={"OPENAI_BASE_URL": f"{gateway.url}/v1", "OPENAI_API_KEY": key},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == re.findall(r"^print\(.*\)\s+# (.*?): ", example, re.MULTILINE)
