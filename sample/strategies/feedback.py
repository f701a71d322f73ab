"""What the user says of an attempt before asking again.

Three levels, since reports of arXiv 2604.05868 say that self-review does not close the gap and test
results nearly do: none; unary, which tells that the answer may be wrong without saying whether it
is (it follows every attempt, so unlike the signal of arXiv 2507.14295 it carries nothing about
correctness); execution, what the public tests said.
"""

from collections.abc import Awaitable, Callable, Mapping

from sample.errors import UsageError
from sample.records import Attempt
from sample.strategies.base import Chain

UNARY = "Your previous answer may be wrong."


async def none(chain: Chain, made: Attempt) -> str:
    return ""


async def unary(chain: Chain, made: Attempt) -> str:
    return UNARY


async def execution(chain: Chain, made: Attempt) -> str:
    """
    Raises:
        UsageError: the problem has no public tests.
    """
    if chain.public_tests is None:
        raise UsageError(
            f"config: feedback: execution needs problems with public tests; those of "
            f"{chain.problem.family!r} have none (set feedback: none or unary, "
            "or choose a code family)"
        )
    return await chain.public_tests(made.text)


FEEDBACK: Mapping[str, Callable[[Chain, Attempt], Awaitable[str]]] = {
    "none": none,
    "unary": unary,
    "execution": execution,
}
