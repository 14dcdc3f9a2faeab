"""All kinds of requests that a gateway meets, at a pace that leaves the machine to others."""

import itertools
import json
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx

from tests.support.processes import until

IMAGES = "/v1/images/generations"
TEAMS = ("art", "lab", "shop")
_PAUSE_S = 0.25  # of each client between two requests
_CLIENTS = 6

# Model, fields beside the prompt, what the prompt says, and the statuses that may come of it.
_ORDINARY = [
    ("flux-kontext-pro", {}, "", {200}),
    ("flux-kontext-max", {"n": 2}, "", {200}),
    ("dall-e-3", {"n": 3}, "", {200}),
    ("gpt-image-1", {"n": 4, "quality": "low"}, "", {200}),
    ("V3", {}, "", {200}),
    ("imagen-4.0-generate-001", {"n": 4}, "", {200}),
    ("FLUX-1.1-pro", {}, "", {200}),
    ("Qwen-Image", {}, "", {200}),
    ("doubao-seedream-4-0-250828", {"n": 2}, "", {200}),
    ("Stable-Diffusion-3-5-Large", {}, "", {200}),
    ("flux-kontext-pro", {"stream": True}, "", {200}),
    ("V3", {"stream": True}, "", {200}),
    ("V3", {"size": "huge"}, "", {400}),
    ("no-such-model", {}, "", {404}),
    ("V3", {"n": "many"}, "", {400}),
    ("V3", {}, "[[sandbox:moderated]]", {400}),
    ("V3", {}, "[[sandbox:http-503]]", {503}),
    ("V3", {}, "[[sandbox:half-body]]", {502}),
    ("V3", {}, "[[sandbox:not-an-image]]", {502}),
    ("V3", {}, "[[sandbox:download-404=1]]", {200}),
    ("imagen-4.0-fast-generate-001", {"n": 2}, "[[sandbox:more=1]]", {200}),
    ("flux-kontext-pro", {}, "[[sandbox:poll-500=1]]", {200}),
    ("flux-kontext-max", {}, "[[sandbox:poll-reset=1]]", {200}),
]


class MixedLoad:
    """Sends for at least so many seconds, and each kind of request at least once; `statuses` counts the answers.

    `keys` are secrets by team: those of TEAMS; `poor`, whose budget is spent; `few`, which may make no image today;
    and `slow`, which may send one request a minute. A client that leaves before its answer counts as 499. `joins` and
    `left` tell how many requests of `art` have joined another one so far, and how many clients are known to have left.
    """

    def __init__(self, gateway, upstream, keys, *, joins, left):
        self._url = gateway.url
        self._upstream = upstream
        self._keys = keys
        self._joins = joins
        self._left = left
        self._number = itertools.count()
        self._lock = threading.Lock()
        self._ends = 0.0
        self.statuses = Counter()

    def run(self, seconds):
        """Send all, wait for all answers; raises what any client met that it should not have."""
        self._ends = time.monotonic() + seconds
        with ThreadPoolExecutor(_CLIENTS + 1) as pool:
            futures = [pool.submit(self._client, index) for index in range(_CLIENTS)]
            futures.append(pool.submit(self._holder))
            for future in as_completed(futures):
                if future.exception() is not None:
                    self._ends = 0.0
            for future in futures:
                future.result()

    def ask(self, http, team, prompt, expected, *, headers=(), model="V3", **fields):
        """Ask for pictures and count the answer."""
        asked = {"authorization": f"Bearer {self._keys[team]}"} | dict(headers)
        answer = http.post(IMAGES, json={"model": model, "prompt": prompt} | fields, headers=asked)
        self._count(answer, expected)
        return answer

    def prompt(self, drill=""):
        """Make a prompt that was not used before."""
        return f"fox {next(self._number)} {drill}".strip()

    def http(self):
        """Make a client."""
        return httpx.Client(base_url=self._url, timeout=120, trust_env=False, verify=False)

    def later(self):
        """Make what sends a request while others are sent."""
        return ThreadPoolExecutor(1)

    def _client(self, index):
        team, pace = TEAMS[index % len(TEAMS)], threading.Event()
        with self.http() as http:
            kinds = [*self._wishes(http, team), *self._others(http, team)]
            kinds = kinds[index * 5 :] + kinds[: index * 5]  # no two clients do the same at once
            for turn in itertools.count():
                if turn >= len(kinds) and time.monotonic() > self._ends:
                    return
                kinds[turn % len(kinds)]()
                pace.wait(_PAUSE_S)

    def _wishes(self, http, team):
        for model, fields, drill, expected in _ORDINARY:
            yield lambda m=model, f=fields, d=drill, e=expected: self.ask(http, team, self.prompt(d), e, model=m, **f)

    def _others(self, http, team):
        def unkeyed():
            self._count(http.post(IMAGES, json={"prompt": "a fox"}), {401})

        def broken():
            headers = {"authorization": f"Bearer {self._keys[team]}", "content-type": "application/json"}
            self._count(http.post(IMAGES, content=b'{"prompt":', headers=headers), {400})

        def busy():
            self._upstream.drill("irag-1.0", "http-429")
            self.ask(http, team, self.prompt(), {200, 503}, model="irag-1.0")  # 503 if others took all its attempts

        def look():
            assert http.get("/nowhere").status_code == 404
            assert http.get("/v1/models", headers={"authorization": f"Bearer {self._keys[team]}"}).status_code == 200

        return [
            lambda: self.ask(http, team, "the fox that everybody wants", {200}),
            lambda: self.ask(http, team, "the fox that everybody wants", {200}),
            lambda: self.ask(http, team, "the same fox, anew", {200}, headers={"cache-control": "no-store"}),
            lambda: self.ask(http, "poor", self.prompt(), {429}, model="flux-kontext-pro"),
            lambda: self.ask(http, "few", self.prompt(), {429}),
            lambda: self.ask(http, "slow", "the fox that everybody wants", {200, 429}),
            unkeyed,
            broken,
            busy,
            look,
        ]

    def _holder(self):
        """Let requests join another one, and let clients leave; both while upstream holds its answer back."""
        pace = threading.Event()
        while True:
            self._join()
            self._leave()
            if time.monotonic() > self._ends:
                return
            pace.wait(4 * _PAUSE_S)

    def _join(self):
        prompt, joined = self.prompt("[[sandbox:task-hold]]"), self._joins()
        with self.http() as http, ThreadPoolExecutor(3) as pool:

            def ask():
                return self.ask(http, "art", prompt, {200}, model="flux-kontext-pro")

            futures = [pool.submit(ask)]
            until(lambda: self._has_seen(prompt), "a paid call", 60)
            futures += [pool.submit(ask), pool.submit(ask)]
            until(lambda: self._joins() >= joined + 2, "requests that join", 60)
            self._upstream.release()
            assert ["joined", "joined", "miss"] == sorted(
                future.result().headers["x-gateway-cache"] for future in futures
            )

    def _leave(self):
        prompt = self.prompt("[[sandbox:task-hold]]")
        body = json.dumps({"model": "flux-kontext-pro", "prompt": prompt}).encode()
        head = f"POST {IMAGES} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {self._keys['lab']}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        host, _, port = self._url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(head.encode() + body)
            until(lambda: self._has_seen(prompt), "a paid call", 60)
        with self._lock:
            self.statuses["499"] += 1
            left = self.statuses["499"]
        until(lambda: self._left() >= left, "a client that has left", 60, every_s=0.25)
        self._upstream.release()

    def _has_seen(self, prompt):
        def seen(world):  # a copy of all calls would be a lot, again and again
            return any(prompt in str(call.body) for call in itertools.islice(reversed(world.record.calls), 200))

        return self._upstream._ask(seen)

    def _count(self, answer, expected):
        assert answer.status_code in expected, (answer.status_code, answer.text[:500], answer.request.content)
        with self._lock:
            self.statuses[str(answer.status_code)] += 1
