import json
import time
from email.utils import formatdate

import pytest

from sample.engines.api_errors import refusal


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (429, {"error": {"message": "slow\ndown", "code": None}}, "rate_limit", "slow down"),
        (400, [{"error": {"code": 400, "message": "no seed"}}], "bad_request", "no seed"),
        (404, {"detail": "Not Found"}, "not_found", "Not Found"),
        (409, {"error": "locked"}, "server_error", "locked"),
        (422, {"message": "no top_k", "code": 422}, "bad_request", "no top_k"),
        (413, {"error": {"message": "the prompt is too long"}}, "context_overflow",
         "the prompt is too long"),
        (502, "<html>Bad Gateway</html>", "server_error", "<html>Bad Gateway</html>"),
        (429, {"error": {"message": "pay", "code": "insufficient_quota"}}, "insufficient_quota",
         "pay"),
    ],
)  # fmt: skip
def test_errors_are_read_in_their_known_spellings(status, body, kind, message):
    error = refusal(status, body if isinstance(body, str) else json.dumps(body), {}, str)
    assert error.failure.type == kind and str(error) == f"HTTP {status}: {message}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_a_wait_is_read_from_the_headers(headers, seconds):
    assert refusal(429, "", headers, str).wait == seconds


def test_a_wait_may_be_a_date():
    wait = refusal(429, "", {"retry-after": formatdate(time.time() + 60, usegmt=True)}, str).wait
    assert wait == pytest.approx(60, abs=5)


def test_a_secret_is_taken_out_after_the_body_is_read_and_before_a_text_is_cut():
    body = '{"error": {"message": "%s no such key: c2Vj\\/cmV0\\u003d"}}' % ("long " * 56)
    said = str(refusal(401, body, {}, lambda text: text.replace("c2Vj/cmV0=", "***")))
    assert said.endswith("no such key: ***") or "c2Vj" not in said
    assert "c2Vj" not in said and len(said) <= 300
