import asyncio
from pathlib import Path

from benchmarks import overhead
from benchmarks.random_model import SHAPE, parse_size, save_random
from sample.config import ProblemConfig
from sample.engines.loading import load_model
from sample.families import load_problems


def test_a_random_model_has_the_size_asked_for(tmp_path):
    model = load_model(save_random(tmp_path, parse_size("8M")))
    assert 5e6 < model.num_parameters() < 11e6


def test_both_sides_generate_the_same_number_of_tokens():
    """The embedded model's attempts end by themselves: other texts would have other lengths."""
    path = str(Path(__file__).parents[2] / SHAPE)
    config = ProblemConfig("countdown", count=1, options=overhead.OPTIONS)
    problems = load_problems("c", config)

    async def both() -> tuple[int, int]:
        async with overhead.transformers(path) as contest:
            recorder = overhead.Recorder(await contest.fresh())
            ours, _ = await overhead._sampled(recorder, "parallel", problems)
            return ours, await contest.alone(
                [[request] for chain in recorder.chains.values() for request in chain]
            )

    ours, alone = asyncio.run(both())
    assert ours == alone and 0 < ours < 8 * 48
