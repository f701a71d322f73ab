"""Prefixes from the base's chains, and what is drawn and read after them."""

from random import Random
from statistics import mean

import pytest
from doubles import attempt, walk
from msgspec.structs import replace

from sample.config import ArmConfig, ProblemConfig, SampleConfig, System, config_systems
from sample.engines.base import Decoding
from sample.errors import UsageError
from sample.families import load_problems
from sample.grading import grade
from sample.models import OpenAIModel, ScriptedModel, TransformersModel
from sample.probe_prefixes import find_prefixes
from sample.probes import Prefix, ProbeConfig
from sample.probing import left_out, make_probes
from sample.prompts import conversation
from train.pretrain.solvers import Countdown

NUMBERS = {"min_numbers": 3, "max_numbers": 3, "min_value": 1, "max_value": 20,
           "min_target": 10, "max_target": 99}  # fmt: skip


@pytest.fixture(scope="module")
def problems():
    config = ProblemConfig("countdown", options=NUMBERS, count=12, seed=11)
    return load_problems("countdown", config)


def config_of(**changes):
    fields = {
        "models": {"base": ScriptedModel()},
        "problems": {"countdown": ProblemConfig("countdown", options=NUMBERS, count=12)},
        "arms": {"again": ArmConfig("sequential", options={"reanswer": 2})},
        "attempts": 5,
    }
    return SampleConfig(**{**fields, **changes})


def chains(problems, steps=5, **changes):
    return [
        attempt(problem=p.id, arm="again", step=k, text=f"{p.id} {k}", canonical=str(k), **changes)
        for p in problems
        for k in range(1, steps + 1)
    ]


def test_a_prefix_asks_what_the_chain_was_asked(problems):
    records = chains(problems)
    found = find_prefixes(records, problems, config_of(), "base", ProbeConfig(depths=(1, 3, 9)))
    assert [prefix.depth for prefix in found] == [0, 1, 3] * 12
    prefix = found[5]
    script = {k: {"text": f"{prefix.problem.id} {k}"} for k in range(1, 5)}
    seen = walk("sequential", script, problem=prefix.problem, reanswer=2)
    assert prefix.messages == seen.asked[4]
    assert prefix.answers == {"1": True, "2": True, "3": True}


def test_the_first_problems_do_not_hang_on_the_order_of_the_records(problems):
    def chosen(records, pool, count):
        probe = ProbeConfig(problems=count, depths=(1,))
        found = find_prefixes(records, pool, config_of(), "base", probe)
        return list(dict.fromkeys(prefix.problem.id for prefix in found))

    few = chosen(chains(problems), problems, 4)
    assert len(few) == 4 and few == chosen(chains(problems[::-1]), problems[::-1], 9)[:4]
    # one whose chain has a hole makes room for the next
    broken = [a for a in chains(problems) if (a.problem, a.step) != (few[0], 2)]
    assert chosen(broken, problems, 3) == few[1:]


def test_a_run_without_histories_is_refused(problems):
    probe, records = ProbeConfig(depths=(1, 3)), chains(problems)
    other = {"tally": ArmConfig("sequential", options={"history": "tally"})}
    with pytest.raises(UsageError, match="no arm with strategy: sequential"):
        find_prefixes(records, problems, config_of(arms=other), "base", probe)
    with pytest.raises(UsageError, match=r"below sample\.attempts \(1\)"):
        find_prefixes(records, problems, config_of(attempts=1), "base", probe)
    with pytest.raises(UsageError, match="finish the run first"):
        find_prefixes(chains(problems, finish="error"), problems, config_of(), "base", probe)
    with pytest.raises(UsageError, match="finish the run first"):
        find_prefixes(chains(problems, replicate=1), problems, config_of(), "base", probe)


def histories(problems, depth):
    """Prefixes whose answers are well-formed guesses of a solver, nearly all wrong."""
    rng, solver, found = Random(0), Countdown(), []
    for problem in problems:
        texts = [solver.guess(problem, rng) for _ in range(depth)]
        grades = [grade(problem, text) for text in texts]
        shown = tuple(
            attempt(step=k, text=text, canonical=one.canonical, correct=one.correct)
            for k, (text, one) in enumerate(zip(texts, grades, strict=True), 1)
        )
        found.append(Prefix(problem, shown, conversation(problem.question, texts)))
    return found


def test_without_weights_attempts_are_drawn_and_nothing_is_read(problems, tmp_path):
    (tmp_path / "fresh.yaml").write_text("reuse: 0\n")
    model = ScriptedModel(reuse=1)
    systems = [System("base", "base", model)]
    systems.append(System("fresh", "base", model, str(tmp_path / "fresh.yaml")))
    probe = ProbeConfig(attempts=3)
    prefixes = histories(problems[:2], 2)
    made = make_probes(systems, prefixes, Decoding(max_new_tokens=500), probe)
    assert list(made) == ["base", "fresh"]
    for one in made["base"]:
        assert {a.text for a in one.drawn} <= {a.text for a in one.prefix.shown}
        assert len(one.drawn) == 3 and one.readings == ()
    assert not {a.text for a in made["fresh"][0].drawn} & {a.text for a in prefixes[0].shown}
    assert "left out" in left_out(systems[0])[0]
    served = OpenAIModel(path="models/anchored", urls=("http://127.0.0.1:9/v1",))
    assert "left out" in left_out(System("base", "base", served))[0]


def test_an_adapter_that_is_missing_is_refused_before_anything_is_drawn(problems, tmp_path):
    model = TransformersModel("models/anchored")
    config = config_of(models={"base": model})
    systems = [*config_systems(config), System("gone", "base", model, str(tmp_path / "gone"))]
    with pytest.raises(UsageError, match=r"no adapter_config\.json"):
        make_probes(systems, histories(problems[:1], 1), Decoding(), ProbeConfig())


@pytest.mark.smoke
def test_planted_re_use_shows_in_copies_and_in_what_is_probable(problems):
    prefixes = histories(problems, 3)
    decoding, probe = Decoding(max_new_tokens=48), ProbeConfig(attempts=4)

    def made(name):
        systems = [System(name, name, TransformersModel(f"models/{name}"))]
        assert not left_out(systems[0])
        return make_probes(systems, prefixes, decoding, probe)[name]

    def copies(probes):
        return mean(a.canonical in p.prefix.answers for p in probes for a in p.drawn)

    anchored, unanchored = made("anchored"), made("unanchored")
    # planted: 0.7 and 0; a fresh answer may meet one of three guesses by chance
    assert copies(anchored) > copies(unanchored) + 0.3
    readings = [reading for p in anchored for reading in p.readings if reading is not None]
    assert len(readings) == len(prefixes) * 4 and all(reading.logp < 0 for reading in readings)
    assert sum(reading.attention is not None for reading in readings) >= len(prefixes)


def test_seeds_are_the_same_for_every_system(problems):
    model = ScriptedModel(reuse=0.5)
    systems = [System(name, "base", model) for name in ("base", "twin")]
    prefixes = histories(problems[:3], 2)
    made = make_probes(systems, prefixes, Decoding(max_new_tokens=500), ProbeConfig(attempts=4))
    for one, other in zip(made["base"], made["twin"], strict=True):
        assert [replace(a, system="base") for a in other.drawn] == list(one.drawn)
