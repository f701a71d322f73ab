"""A made-up summary of the documented shape: numbers are plausible, not results."""

import copy
import math
from typing import Any

Json = dict[str, Any]

ARMS = ("parallel", "sequential", "irrelevant_context", "swapped_history")
STEPS = 8


def interval(estimate: float | None, half: float = 0.02, n: int = 400) -> Json:
    if estimate is None:
        return {"estimate": None, "low": None, "high": None, "n": 0}
    return {"estimate": estimate, "low": estimate - half, "high": estimate + half, "n": n}


def gap(estimate: float, half: float = 0.025, n: int = 400) -> Json:
    return {
        **interval(estimate, half, n),
        "p_t": math.exp(-((estimate / half) ** 2)),
        "p_flip": 0.0001,
        "boot_low": estimate - 1.02 * half,
        "boot_high": estimate + 1.01 * half,
        "fixed_low": estimate - 0.6 * half,
        "fixed_high": estimate + 0.6 * half,
    }


def arm(name: str, one: float, cover: float, repeats: float, n: int = 400) -> Json:
    """one: accuracy of an attempt; cover: coverage@N; repeats: repeat rate at the last step."""
    curve = [one + (cover - one) * math.log1p(k) / math.log(STEPS) for k in range(STEPS)]
    rates = [repeats * (1 - math.exp(-k / 2)) for k in range(STEPS)]
    distinct = [1 + (1 - repeats) * k for k in range(STEPS)]
    chain = name != "parallel"
    vote = min(one + 0.11, 0.9 * cover)
    return {
        "accuracy": interval(one, n=n),
        "coverage": interval(cover, n=n),
        "majority": interval(vote, n=n),
        "last": interval(one + 0.01, n=n) if chain else None,
        "selection": vote / cover,
        "repeat_rate": interval(sum(rates[1:]) / 7, n=n),
        "repeat_baseline": interval(0.19, n=n),
        "repeat_excess": interval(sum(rates[1:]) / 7 - 0.19, n=n),
        "distinct": interval(distinct[-1], 0.1, n),
        "valid": interval(0.97, 0.01, n),
        "tokens": {
            "prompt": 96.5 if chain else 30.25,
            "cached": None,
            "thinking": 24.5,
            "answer": 9.75,
            "generated": 34.25,
            "total": 130.75 if chain else 64.5,
        },
        "finish": {"stop": 0.985, "length": 0.0125, "error": 0.0025},
        "ungraded": 0.0,
        "attempts": n * 16,
        "by_step": {
            "accuracy": [interval(one + 0.002 * k, n=n) for k in range(STEPS)],
            "repeat_rate": [interval(None), *(interval(r, n=n) for r in rates[1:])],
            "coverage": [interval(c, n=n) for c in curve],
            "majority": [interval(one + 0.015 * k, n=n) for k in range(STEPS)],
            "distinct": [interval(d, 0.1, n) for d in distinct],
        },
    }


def system(one: float, parallel: float, sequential: float, repeats: float, arms: int = 2) -> Json:
    levels = {
        "parallel": (one, parallel, 0.24),
        "sequential": (one - 0.02, sequential, repeats),
        "irrelevant_context": (one - 0.01, parallel - 0.012, 0.25),
        "swapped_history": (one - 0.03, sequential + 0.06, repeats - 0.1),
    }
    return {
        "arms": {name: arm(name, *levels[name]) for name in ARMS[:arms]},
        "gaps": {
            "coverage": gap(parallel - sequential),
            "majority": gap(0.6 * (parallel - sequential)),
            "accuracy": gap(0.02),
            "last": gap(0.12),
        },
        "identity": {"coverage_term": interval(0.21), "selection_term": interval(-0.01)},
    }


def step(question: str, estimate: float, bound: float, threshold: float, passed: Any) -> Json:
    return {
        "question": question,
        "estimate": estimate,
        "bound": bound,
        "threshold": threshold,
        "passed": passed,
    }


def adapter(name: str, verdict: str, before: float, after: float, parallel: float) -> Json:
    order = ("NO_GAP", "NOT_SHOWN", "NARROWED", "CLOSED_BY_DAMAGE", "CLOSED")
    stage = order.index(verdict)
    asked = [True if i < stage else (False if i == stage else None) for i in range(4)]
    method, _, seed = name.partition("-s")
    gaps = {"gap_base": gap(before), "gap_adapted": gap(after), "did": gap(before - after, 0.03)}
    return {
        "base": "base",
        "method": method,
        "seed": int(seed or 0),
        "verdict": verdict,
        "reason": f"The reason why {name} is {verdict}.",
        "withheld": None,
        "steps": [
            step("Is there a gap to close?", before, before - 0.025, 0.0, asked[0]),
            step("Did it shrink?", before - after, before - after - 0.03, 0.0, asked[1]),
            step("Is what remains below the margin?", after, after + 0.021, 0.03, asked[2]),
            step("Did parallel keep its accuracy?", parallel, parallel - 0.02, -0.03, asked[3]),
        ],
        **gaps,
        "sequential_change": interval(before - after + parallel, 0.03),
        "parallel_change": interval(parallel, 0.024),
        "other_aggregators": {"majority": gaps, "accuracy": gaps, "last": gaps},
        "fraction_closed": {"estimate": 1 - after / before, "low": 0.86, "high": 1.08},
    }


def over_seeds(estimate: float, seeds: int) -> Json:
    low, high = (estimate - 0.04, estimate + 0.04) if seeds > 1 else (None, None)
    return {"estimate": estimate, "low": low, "high": high, "n": seeds}


def band(level: float, rise: float) -> Json:
    ends = {"low": -0.02, "estimate": 0.0, "high": 0.02}
    return {end: [level + rise * i / 4 + half for i in range(5)] for end, half in ends.items()}


def cost_curve(first: float) -> Json:
    """first: the tokens of one attempt."""
    tokens = [first * 8 ** (i / 4) for i in range(5)]
    sides = {"parallel": band(0.3, 0.4), "sequential": band(0.3, 0.1), "gap": band(0.0, 0.3)}
    return {"tokens": tokens, "n": 390, **sides}


def equal_compute(primary: str) -> Json:
    ratio = {"k": 8, "reached": 0.7, "tokens": 274.0, "ratio": None, "low": 1.9, "high": None}
    ratio |= {"n": 400, "reason": None}
    curves = {"generated": cost_curve(34.0), "total": cost_curve(64.0), "cached": None}
    curves["latency"] = cost_curve(33.5)
    spent = {"generated": 274.0, "total": 516.0, "cached": None, "latency": 60.0}
    return {
        "problems": 400,
        "gaps": {"generated": gap(0.2), "total": gap(0.3), "cached": None, "latency": gap(0.6)},
        "ratios": [
            ratio | {"k": 2, "ratio": 1.4, "high": 1.7, "least": 4.0},
            ratio | {"least": 1.1},
        ],
        "curves": {name: dict(curves) for name in dict.fromkeys((primary, "coverage"))},
        "tokens": {"parallel": spent, "sequential": spent},
        "notes": ["cached: no gap, because tokens are not known"],
    }


def causes() -> Json:
    checks = [
        {"question": "Are its prompts as long?", "estimate": 1.02, "passed": True},
        {"question": "Are most of the answers shown others?", "estimate": None, "passed": None},
    ]
    return {"reading": ["Not the longer context."], "checks": {"irrelevant_context": checks}}


def family(primary: str, base: float, drop: float, seeds: int) -> Json:
    """base: the gap of the base; drop: what the diverse adapters leave of it."""
    systems = {
        "base": system(0.24, 0.40 + base, 0.40, 0.8, arms=4),
        "unanchored": system(0.25, 0.76, 0.755, 0.26),
    }
    adapters = {}
    for seed in range(seeds):
        left = drop + 0.004 * seed
        systems[f"diverse-s{seed}"] = system(0.31, 0.38 + base, 0.38 + base - left, 0.4)
        adapters[f"diverse-s{seed}"] = adapter(f"diverse-s{seed}", "CLOSED", base, left, -0.005)
        systems[f"history-s{seed}"] = system(0.38, 0.33 + base, 0.42, 0.93)
        adapters[f"history-s{seed}"] = adapter(
            f"history-s{seed}", "NARROWED", base, base - 0.1 + 0.01 * seed, -0.07
        )
    keys = ("did", "gap_adapted", "parallel_change", "sequential_change")
    return {
        "n_problems": 400,
        "primary": primary,
        "diagnosis": {
            "found": ["every arm: 400 problems, 16 attempts each, 100 % graded"],
            "can": ["the gap of base, on 400 shared problems"],
            "cannot": ["base/sequential: 0.25 % of attempts failed, read as wrong"],
        },
        "systems": systems,
        "adapters": adapters,
        "models": {
            "unanchored": {
                "verdict": "NO_GAP",
                "gap": gap(0.005),
                "reason": "No gap to close: not shown to be above 0.",
            }
        },
        "methods": {
            method: {
                "seeds": seeds,
                "verdicts": {verdict: seeds},
                **{key: over_seeds(0.1, seeds) for key in keys},
            }
            for method, verdict in (("diverse", "CLOSED"), ("history", "NARROWED"))
        },
        "equal_compute": {name: equal_compute(primary) for name in ("base", "unanchored")},
        "attribution": {"base": causes()},
        "controls": {
            "irrelevant_context": {"system": "base", "difference": gap(0.012)},
            "swapped_history": {"system": "base", "difference": gap(base - 0.06)},
        },
    }


def synthetic_summary(seeds: int = 2) -> Json:
    """Two families, two training methods of ``seeds`` adapters each, one negative control."""
    return copy.deepcopy(
        {
            "schema_version": 5,
            "run": {
                "name": "made-up",
                "config_hash": "0123456789abcdef",
                "attempts": 153600,
                "created": "2031-02-03T04:05:06+00:00",
                "forage_version": "9.8.7",
                "embedded_model": True,
            },
            "settings": {
                "margin": 0.03,
                "alpha": 0.05,
                "N": STEPS,
                "replicates": 2,
                "decoding": {"temperature": 1.0, "max_new_tokens": 48},
                "primary": {"countdown": "coverage", "chain_sum": "majority"},
                "resamples": 10000,
                "estimand": "superpopulation",
                "design": {
                    "context": "irrelevant_context",
                    "exposure": "tally",
                    "swapped": "swapped_history",
                    "shown": "parallel",
                },
                "fixed_before_sampling": True,
            },
            "families": {
                "countdown": family("coverage", 0.37, 0.005, seeds),
                "chain_sum": family("majority", 0.22, 0.002, seeds),
            },
            "warnings": ["countdown: base/parallel: 0.25 % of attempts failed, read as wrong"],
        }
    )


def training_log(steps: int = 50, level: float = 0.3) -> list[Json]:
    return [
        {
            "step": k,
            "reward": level + 0.3 * math.tanh(k / 20) + 0.04 * math.sin(5 * k),
            "accuracy": level + 0.1 * math.tanh(k / 20) + 0.03 * math.cos(7 * k),
            "novelty": 0.5 + 0.2 * math.tanh(k / 20) + 0.03 * math.sin(3 * k),
            "repeat": 0.7 - 0.3 * math.tanh(k / 15) + 0.03 * math.sin(2 * k),
        }
        for k in range(1, steps + 1)
    ]
