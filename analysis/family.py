"""One family of problems as an entry of the summary."""

import math
from collections.abc import Iterator, Mapping

from analysis.causes import causes_json
from analysis.comparisons import adapter_json, methods_json, model_json
from analysis.config import AnalysisConfig, SystemInfo
from analysis.diagnosis import diagnosis_json
from analysis.equal_compute import equal_compute_json
from analysis.inference import Inference, infer
from analysis.levels import system_json
from analysis.numbers import Json, gap_json
from analysis.study import Key, Study
from analysis.unsettled import unsettled_json
from analysis.until_decided import stopping_json
from analysis.verdict import terms_of
from analysis.watch import Watch
from analysis.words import capitalized

Inferred = Mapping[Key, Inference]


def family_json(
    study: Study,
    infos: Mapping[str, SystemInfo],
    config: AnalysisConfig,
    registered: bool,
    watch: Watch | None,
    interim: Json | None,
) -> tuple[Json, list[str]]:
    """The entry, and the warnings that go with it.

    registered: the settings were fixed before sampling. watch: where a stopping rule ends the
    family. interim: where attempts are still to come.
    """
    primary, base = config.aggregator(study.family), config.base
    inferred = infer(study.contrasts, config)
    # The ordinary intervals of whatever was sampled for as long as an outcome asked are too narrow.
    terms = terms_of(config, watch.look.bounds(study.problems) if watch else None)
    unsettled = unsettled_json(study, infos, primary, terms)
    withheld = _withheld(registered, interim)
    adapters = {
        name: adapter_json(
            study, infos[name], inferred, primary, terms, unsettled.get(name), withheld
        )
        for name in study.systems
        if infos[name].base is not None
    }
    models = {
        name: model_json(study, name, inferred, primary, terms)
        for name in study.systems
        if infos[name].base is None and name != base
    }
    if interim:
        for entry in (*adapters.values(), *models.values()):
            entry["reason"] = f"{capitalized(interim['label'])}. {entry['reason']}"
    found = {
        "n_problems": len(study.problems),
        "primary": primary,
        "stopping": stopping_json(watch) if watch else None,
        "interim": interim,
        "diagnosis": diagnosis_json(study, primary, adapters),
        "unsettled": unsettled,
        "systems": {name: system_json(study, name, inferred, config) for name in study.systems},
        "equal_compute": equal_compute_json(study, config),
        "adapters": adapters,
        "models": models,
        "methods": methods_json(study, adapters, infos, config),
        "controls": {
            key[1]: {"system": base, "difference": gap_json(gap)}
            for key, gap in inferred.items()
            if key[0] == "control"
        },
        "attribution": {
            name: causes_json(study, name, config)
            for name in study.systems
            if name == base or config.design.context in study.arms(name)
        },
    }
    return found, [*study.warnings, *_straddles(study, inferred, config)]


def _withheld(registered: bool, interim: Json | None) -> str | None:
    """Why CLOSED may not be said, whatever the tests say."""
    if not registered:
        return "the settings were not fixed before sampling"
    if interim:
        return f"only {interim['made']} of {interim['asked']} attempts are made"
    return None


def _straddles(study: Study, inferred: Inferred, config: AnalysisConfig) -> Iterator[str]:
    """Primary contrasts on which the two p values disagree: the larger one counts."""
    primary = config.aggregator(study.family)
    for key, found in inferred.items():
        if key[0] not in ("gap", "did") or key[-1] != primary or math.isnan(found.p_t):
            continue
        if (found.p_t < config.alpha) != (found.p_flip < config.alpha):
            yield (
                f"{study.family}: {' '.join(key[:-1])}: t and sign-flip p straddle "
                f"{config.alpha:g} ({found.p_t:.3f}, {found.p_flip:.3f}); the verdict goes by t, "
                "so read it with care"
            )
