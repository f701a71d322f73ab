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
    assert chain.public_tests is not None
    return await chain.public_tests(made.text)


def lacks_tests(chain: Chain) -> bool:
    """Whether the chain asks for test results of a code problem that has no public tests.

    Raises:
        UsageError: it asks for them of a family that is not code.
    """
    if chain.options.feedback != "execution" or chain.public_tests is not None:
        return False
    if chain.problem.grader != "code":
        raise UsageError(
            f"config: feedback: execution needs problems with public tests; those of "
            f"{chain.problem.family!r} have none (set feedback: none or unary, "
            "or choose a code family)"
        )
    return True


FEEDBACK: Mapping[str, Callable[[Chain, Attempt], Awaitable[str]]] = {
    "none": none,
    "unary": unary,
    "execution": execution,
}
