"""Failed attempts made again: the records end as if no call had failed."""

import asyncio
from dataclasses import replace

import pytest
from doubles import EchoEngine, attempt
from msgspec import structs

from sample.config import ArmConfig, ProblemConfig
from sample.engines.base import Decoding
from sample.families import load_problems
from sample.records import Failure
from sample.runfolder import RunFolder
from sample.scheduler import Plan, run_system
from sample.store import read_attempts, to_line
from sample.strategies import STRATEGIES
from sample.withdrawal import may_pass, owed_again, withdraw_failed

PROBLEMS = load_problems("sums", ProblemConfig("chain_sum", count=3))
GROUPS = tuple((problem, replicate) for problem in PROBLEMS for replicate in range(2))
ARMS = {
    **{name: ArmConfig(name) for name in STRATEGIES},
    "swapped_rsa": ArmConfig("swapped_history", options={"pool": "swapped_history"}),
}


def plan(*names):
    arms = {name: ARMS[name] for name in names or ARMS}
    return Plan("base", arms, GROUPS, attempts=4, decoding=Decoding(), seed=5, config="abc")


def sample(asked, finished=(), error=None):
    made = []
    asyncio.run(run_system(EchoEngine(error), asked, finished, made.append, 60))
    return made


def contents(attempts):
    def same(made):
        return structs.replace(made, ledger=structs.replace(made.ledger, seconds=0.0))

    return {made.key: same(made) for made in attempts}


def failed(kind="timeout", **changes):
    return attempt(finish="error", failure=Failure(kind, "?"), correct=None, **changes)


def chain(arm, failing=(), problem=PROBLEMS[0], replicate=0):
    place = {"arm": arm, "problem": problem.id, "replicate": replicate}
    return [failed(step=k, **place) if k in failing else attempt(step=k, **place)
            for k in range(1, 5)]  # fmt: skip


def owed(asked, *chains):
    found = owed_again(asked, [made for made_chain in chains for made in made_chain])
    return sorted((made.arm, made.step) for made in found)


def test_every_strategy_ends_as_if_no_call_had_failed():
    asked = plan()
    torn = sample(asked, error=TimeoutError("slow"))
    assert sum(map(may_pass, torn)) > 20
    again = {made.key for made in owed_again(asked, torn)}
    kept = [made for made in torn if made.key not in again]
    assert 0 < len(kept) < len(torn)
    whole = sample(asked)
    assert contents([*kept, *sample(asked, kept)]) == contents(whole)


def test_only_what_may_hang_on_a_failed_attempt_is_made_again():
    asked = plan("parallel", "sequential", "swapped_history", "irrelevant_context")
    assert owed(asked, chain("parallel", [2])) == [("parallel", 2)]
    assert owed(asked, chain("sequential", [3])) == [("sequential", 3), ("sequential", 4)]
    chains = (chain("parallel", [2]), chain("sequential"), chain("swapped_history"),
              chain("irrelevant_context"))  # fmt: skip
    swapped = [("swapped_history", step) for step in range(1, 5)]
    assert owed(asked, *chains) == [("parallel", 2), *swapped]
    assert owed(asked, chain("parallel", [2]), chain("swapped_history", replicate=1)) == [
        ("parallel", 2)
    ]


def test_a_chain_that_reads_the_partner_goes_with_the_partners():
    asked = plan("parallel", "other_problems")
    torn = chain("parallel", [1], PROBLEMS[1])
    reading = [chain("other_problems", (), problem) for problem in PROBLEMS]
    found = owed_again(asked, [*torn, *(made for given in reading for made in given)])
    readers = {made.problem for made in found if made.arm == "other_problems"}
    assert readers == {PROBLEMS[0].id}


def test_a_strategy_of_the_users_own_goes_whole(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("async def walk(chain):\n    pass\n")
    asked = replace(plan("parallel"), arms={"own": ArmConfig(f"{path}:walk")})
    assert len(owed(asked, chain("own", [4]))) == 4


@pytest.mark.parametrize("kind", ["context_overflow", "content_filter", "bad_request"])
def test_what_would_fail_again_stays(kind):
    assert not may_pass(failed(kind)) and may_pass(failed("server_error"))
    assert not may_pass(attempt(failure=Failure("GradingError", "?"), correct=None))
    assert not may_pass(attempt(finish="skipped", failure=Failure("not_applicable", "?")))


def test_what_is_withdrawn_is_kept_aside_once_whenever_the_process_dies(tmp_path, monkeypatch):
    folder, asked = RunFolder(tmp_path), plan("parallel", "sequential")
    records = [*chain("parallel", [2]), *chain("sequential", [3])]
    folder.attempts.write_bytes(b"".join(map(to_line, records)))

    def die(path, text):
        if path == folder.attempts:
            raise KeyboardInterrupt
        path.write_text(text)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("sample.withdrawal.write_atomically", die)
        withdraw_failed(folder, [asked])
    assert read_attempts(folder.attempts) == records
    withdraw_failed(folder, [asked])
    gone = [records[1], *records[6:]]
    assert read_attempts(folder.withdrawn) == gone
    assert read_attempts(folder.attempts) == [made for made in records if made not in gone]
    before = folder.withdrawn.read_bytes(), folder.attempts.read_bytes()
    withdraw_failed(folder, [asked])
    assert (folder.withdrawn.read_bytes(), folder.attempts.read_bytes()) == before


def test_a_folder_without_records_has_nothing_to_withdraw(tmp_path):
    withdraw_failed(RunFolder(tmp_path), [plan("parallel")])
    assert not list(tmp_path.iterdir())
