from sample.progress import Progress


def test_work_that_goes_back_after_a_resume_is_shown_without_a_rate(capsys, monkeypatch):
    monkeypatch.setattr("sample.progress.PLAIN_EVERY", -1.0)
    with Progress("steps") as bars:
        bars.add("diverse-s0", 10, 6)
        for done in (4, 4, 7, 10):
            bars.update("diverse-s0", done)
    back, on, last = capsys.readouterr().err.splitlines()
    assert back == "  diverse-s0: 4/10 steps, 0.0/s, ? left"
    assert "7/10 steps" in on and "10/10 steps" in last and last.endswith(", 0 s left")


def test_short_work_is_not_told_of_and_long_work_is(capsys, monkeypatch):
    with Progress("problems", passing=True) as bars:
        bars.add("countdown", 2, 0)
        bars.update("countdown", 2)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr("sample.progress.PLAIN_EVERY", -1.0)
        bars.add("chain_sum", 3, 0)
        bars.update("chain_sum", 1)
    assert capsys.readouterr().err.startswith("  chain_sum: 1/3 problems")
