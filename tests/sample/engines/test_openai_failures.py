"""Servers that are absent, refuse, stall, break off or answer garbage, all on loopback."""

import asyncio
import json
import socket
import time
from dataclasses import replace

import pytest
from asking import DECODING, ask, model_of, request_of
from listing_server import listing
from misbehaving_server import completion, serving

from sample.config import ArmConfig, ProblemConfig
from sample.engines import server as calls
from sample.engines.openai import STREAK, OpenAIEngine
from sample.errors import ForageError, UsageError
from sample.families import load_problems
from sample.problems import Problem
from sample.records import DEPENDENT
from sample.scheduler import Plan, run_system

MODEL = "models/anchored"


def test_what_may_pass_is_tried_again_and_counted_once(server):
    generations = ask(model_of(server), "busy a", "busy b")
    assert [g.text for g in generations] == ["42", "42"]
    assert set(server.times.values()) == {3}
    assert sum(g.ledger.generated for g in generations) == 10


@pytest.mark.parametrize(
    ("question", "kind", "tries"),
    [
        ("limited", "rate_limit", 3),
        ("broken", "server_error", 3),
        ("stall", "timeout", 3),
        ("drop", "connection", 3),
        ("hangup", "connection", 3),
        ("garbage", "bad_reply", 1),
        ("echo {}", "bad_reply", 1),
        ("echo []", "bad_reply", 1),
        ('echo {"error": {"message": "overloaded"}}', "bad_reply", 1),
        ('echo {"choices": []}', "bad_reply", 1),
        ('echo {"choices": [{"finish_reason": "stop", "message": "42"}]}', "bad_reply", 1),
        (f"echo {json.dumps(completion(finish='tool_calls'))}", "bad_reply", 1),
        (f"echo {json.dumps(completion(message={'content': [1]}))}", "bad_reply", 1),
        (f"echo {json.dumps(completion(finish='content_filter: OTHER'))}", "content_filter", 1),
        (f"echo {json.dumps(completion(usage=None))}", "no_usage", 1),
        (f"echo {json.dumps(completion(usage={'prompt_tokens': None}))}", "no_usage", 1),
        ("toolong", "context_overflow", 1),
    ],
)
def test_a_call_that_fails_for_good_has_a_type_and_the_others_go_on(server, question, kind, tries):
    timeout = 1.0 if question == "stall" else 60.0
    bad, *good = ask(model_of(server, timeout=timeout), question, *(f"ok {i}" for i in range(5)))
    assert (bad.finish, bad.text, bad.ledger.generated) == ("error", "", 0)
    assert bad.failure is not None and bad.failure.type == kind and bad.failure.message
    assert "\n" not in bad.failure.message
    assert server.times[question] == tries
    assert [g.text for g in good] == ["42"] * 5


def test_a_lost_connection_is_no_time_out_however_short_that_is(server):
    (lost,) = ask(model_of(server, retries=4, timeout=0.3), "hangup")
    assert server.times == {"hangup": 5}
    assert lost.failure is not None and lost.failure.type == "connection"


def test_a_call_that_stalls_is_tried_again_twice_however_many_retries_there_are(server):
    model = model_of(server, retries=8, timeout=0.3)
    *stalled, limited = ask(model, "stall", "trickle", "limited")
    assert server.times == {"stall": 3, "trickle": 3, "limited": 9}
    for made in stalled:
        assert made.failure is not None and made.failure.type == "timeout"
        assert made.failure.message == "no whole reply in 0.3 s; 3 tries"
    assert limited.failure is not None and limited.failure.type == "rate_limit"
    assert limited.failure.message == "HTTP 429: slow down; 9 tries"


@pytest.mark.parametrize(("pause", "retries"), [(asyncio.sleep, 0), (time.sleep, 1)])
def test_a_connection_that_the_server_closed_while_idle_is_no_error(server, pause, retries):
    async def one_after_the_other():
        async with OpenAIEngine(model_of(server, retries=retries)) as engine:
            first = await engine.generate(request_of("leave"))
            if waiting := pause(0.1):
                await waiting
            return [first, await engine.generate(request_of("leave"))]

    assert [made.text for made in asyncio.run(one_after_the_other())] == ["42", "42"]


def test_no_wait_that_a_server_asks_for_is_longer_than_the_longest(server, monkeypatch):
    monkeypatch.setattr(calls, "LONGEST_WAIT", 0.01)
    (made,) = ask(model_of(server), "later")
    assert made.text == "42" and made.ledger.seconds < 5


@pytest.mark.parametrize(
    ("question", "error", "says"),
    [
        ("wrongkey", UsageError, "refuses the key"),
        ("wrongmodel", UsageError, "no such model or address: .*`m` does not exist"),
        ("refused", UsageError, 'refuses the request: .*Unknown name "seed".*see server'),
        ("exhausted", ForageError, "pay first"),
    ],
)
def test_what_would_fail_for_all_stops_the_run_in_one_line(
    server, monkeypatch, question, error, says
):
    # So long that a message is cut in the middle of it.
    monkeypatch.setenv("FORAGE_TEST_KEY", "s3cret" * 60)
    with pytest.raises(error, match=says) as caught:
        ask(model_of(server, key="FORAGE_TEST_KEY"), question)
    assert "\n" not in str(caught.value) and "s3cret" not in str(caught.value)
    assert server.times == {question: 1}


def test_no_reply_brings_the_key_into_a_record(server, monkeypatch):
    monkeypatch.setenv("FORAGE_TEST_KEY", "s3cret" * 60)
    (made,) = ask(model_of(server, key="FORAGE_TEST_KEY"), "parrot")
    assert made.failure is not None and made.failure.message.endswith("Bearer ***")


def test_a_refusal_after_an_answer_is_that_requests_own(server):
    async def one_after_the_other():
        async with OpenAIEngine(model_of(server)) as engine:
            return [await engine.generate(request_of(q)) for q in ("ok", "refused", "ok")]

    kinds = [g.failure and g.failure.type for g in asyncio.run(one_after_the_other())]
    assert kinds == [None, "bad_request", None]


def test_what_stops_a_run_at_its_start_is_a_failed_attempt_later():
    async def asked(server):
        async with OpenAIEngine(model_of(server, retries=0)) as engine:
            made = [await engine.generate(request_of(q)) for q in ("ok", "wrongmodel", "wrongkey")]
            # Each reply of this one closes its connection, so the next call has to connect anew.
            await engine.generate(request_of("hangup"))
            server.shutdown()
            server.server_close()
            return [*made, await engine.generate(request_of("ok"))]

    with serving() as server:
        made = asyncio.run(asked(server))
    kinds = [g.failure and g.failure.type for g in made]
    assert kinds == [None, "not_found", "refused_key", "unreachable"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}/v1"


def test_a_server_that_is_not_there_stops_the_run_but_another_takes_over(server):
    with pytest.raises(ForageError, match=r"cannot be reached.*start the server"):
        ask(model_of(free_port(), retries=0), "ok")
    questions = [f"ok {i}" for i in range(6)]
    generations = ask(model_of(free_port(), server, retries=0), *questions)
    assert [g.text for g in generations] == ["42"] * 6
    assert set(server.times.values()) == {1}


def test_a_proxy_of_the_environment_is_asked_where_it_says_so(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(UsageError, match="HTTP 404: Not Found"):
        ask(model_of("http://nowhere.invalid/v1"), "ok")
    monkeypatch.setenv("http_proxy", free_port())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert ask(model_of(server), "ok")[0].text == "42"


def test_a_proxy_that_speaks_no_http_is_refused_and_its_password_not_told(server, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    for proxy in ("http://user:hun/ter2@127.0.0.1", "socks5://user:hunter2@127.0.0.1:1080"):
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(UsageError, match="http_proxy is no address such as") as caught:
            ask(model_of("http://nowhere.invalid/v1"), "ok")
        assert "ter2" not in str(caught.value)
    monkeypatch.setenv("http_proxy", server.url.replace("://", "://user:hunter2@"))
    with pytest.raises(UsageError, match="HTTP 404") as caught:
        ask(model_of("http://nowhere.invalid/v1"), "ok")
    assert "hunter2" not in str(caught.value)


def test_an_address_that_no_host_can_have_stops_the_run(monkeypatch):
    with pytest.raises(ForageError, match="cannot be reached"):
        ask(model_of("http://a..b/v1", retries=0), "ok")


def test_half_a_surrogate_pair_is_read_and_sent_again(server):
    (made,) = ask(model_of(server), f'echo {json.dumps(completion())[:-1]}, "odd": "\\ud83d"}}')
    assert made.text == "42"
    (again,) = ask(model_of(server), "ok \ud83d")
    assert again.text == "42"


def test_servers_say_which_weights_they_have_and_one_that_is_down_is_passed_over():
    named = {"data": [{"id": "other/m", "root": "b"}, {"id": "m", "root": "/srv/a"}]}

    def use(*urls, path="hub/a", **changes):
        async def used():
            model = replace(model_of(*urls, retries=0), path=path, tokenizer=MODEL, **changes)
            async with OpenAIEngine(model) as engine:
                await engine.use(None)

        asyncio.run(used())

    with listing(200, named) as url:
        use(url)
        use(free_port(), url)
        with pytest.raises(UsageError, match="serves '/srv/a' as 'm', not 'hub/c'"):
            use(url, path="hub/c")
        with pytest.raises(UsageError, match="has no model 'n'; it has: m, other/m"):
            use(url, model="n")
    with pytest.raises(ForageError, match=r"cannot be reached.*start the server"):
        use(free_port())


def test_too_many_failures_in_a_row_stop_the_run(server):
    few = [f"garbage {i}" for i in range(STREAK - 1)]
    assert {g.finish for g in ask(model_of(server), *few)} == {"error"}
    with pytest.raises(ForageError, match="32 calls to 'm' failed in a row, the last: bad_reply"):
        ask(model_of(server), *few, "garbage")
    assert {g.finish for g in ask(model_of(server), *(["toolong"] * (STREAK + 5)))} == {"error"}


def test_records_of_a_run_with_failures_are_whole(server):
    """Every attempt once; what would follow a failed one in its chain is not asked for."""
    sums = load_problems("sums", ProblemConfig("chain_sum", count=3))
    bad = Problem("sums", "garbage", "1", "reasoning_gym", "k", sums[0].metadata)
    groups = tuple((problem, 0) for problem in [*sums, bad])
    arms = {"sequential": ArmConfig("sequential")}
    plan = Plan("base", arms, groups, 3, DECODING, 1, "abc")
    made = []

    async def run():
        async with OpenAIEngine(model_of(server)) as engine:
            await run_system(engine, plan, (), made.append, 8)

    asyncio.run(run())
    assert len({attempt.key for attempt in made}) == len(made) == 12
    failed = [attempt for attempt in made if attempt.finish == "error"]
    assert {(a.problem, a.correct) for a in failed} == {(bad.id, None)}
    kinds = [a.failure.type for a in sorted(failed, key=lambda a: a.step)]
    assert kinds == ["bad_reply", DEPENDENT, DEPENDENT] and len(server.seen) == 10
