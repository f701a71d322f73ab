"""One simulated study whose causes are planted: what several test files look at."""

from analysis.config import AnalysisConfig, SystemInfo, adapter_info

CONFIG = AnalysisConfig(margin=0.05, primary={"toy": "coverage"}, resamples=500)
REUSE = {
    ("base", "parallel"): 0.0,
    ("base", "sequential"): 0.8,
    ("base", "irrelevant_context"): 0.2,
    ("unanchored", "parallel"): 0.0,
    ("unanchored", "sequential"): 0.0,
    **{(f"diverse-s{s}", arm): 0.0 for s in (0, 1) for arm in ("parallel", "sequential")},
    ("history-s0", "parallel"): 0.0,
    ("history-s0", "sequential"): 0.5,
}
SYSTEMS = {
    "base": SystemInfo("base"),
    "unanchored": SystemInfo("unanchored"),
    **{name: adapter_info(name, "base") for name in ("diverse-s0", "diverse-s1", "history-s0")},
}
