import pytest

from sample.runfolder import RunFolder, write_json
from train.trackers import run_id


@pytest.fixture
def make(tmp_path):
    """An adapter that is begun in a run folder of that name and time."""

    def adapter(run, created="2026-01-01T00:00:00+00:00", steps=5):
        folder = RunFolder(tmp_path / run)
        folder.adapter("diverse-s0").mkdir(parents=True, exist_ok=True)
        write_json(folder.manifest, {"created": created})
        write_json(folder.adapter("diverse-s0") / "training.json", {"steps": steps})
        return run_id(folder.adapter("diverse-s0"))

    return adapter


def test_a_training_is_found_again_in_wandb_and_no_other_in_its_place(make):
    begun = make("a")
    assert begun.startswith("diverse-s0-") and make("a") == begun
    others = {make("b"), make("a", created="2026-01-02T00:00:00+00:00"), make("a", steps=6)}
    assert len(others) == 3 and begun not in others
