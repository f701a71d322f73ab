from dataclasses import replace

import pytest
from doubles import PROBLEM, attempt, count_words, walk
from msgspec import structs

from sample.errors import UsageError
from sample.prompts import REANSWER
from sample.records import Draw, Ledger
from sample.strategies.filler import SENTENCES, filler
from sample.strategies.irrelevant_context import fewest

Q = PROBLEM.question
AGAIN = REANSWER[0]
POOL = [attempt(step=k, text=f"p{k}") for k in (1, 2, 3, 4)]


def roles(messages):
    return [message["role"] for message in messages]


# --- sampling, and what it is compared with


def test_parallel_attempts_see_the_bare_question():
    assert [walk("parallel").asked[k] for k in (1, 2, 3, 4)] == [
        [{"role": "user", "content": Q}]
    ] * 4


def test_sequential_attempts_see_all_earlier_answers_unfinished_ones_as_empty():
    seen = walk("sequential", {2: {"text": "", "answer": None}}, reanswer=3)
    assert seen.said(1) == [Q]
    assert seen.said(4) == [Q, "t1", REANSWER[3], "", REANSWER[3], "t3", REANSWER[3]]
    assert roles(seen.asked[3]) == ["user", "assistant", "user", "assistant", "user"]


def test_unfinished_attempts_may_be_left_out_of_the_history_others_may_not():
    cut = {"text": "", "answer": None, "finish": "length"}
    script = {1: {**cut, "text": "It i"}, 2: cut, 3: {"text": "", "answer": None}}
    seen = walk("sequential", script, unfinished="left_out")
    assert seen.said(3) == [Q, "It i", AGAIN]
    assert seen.said(4) == [Q, "It i", AGAIN, "", AGAIN]
    with pytest.raises(UsageError, match="no unfinished"):
        walk("sequential", history="none", unfinished="left_out")


def test_the_reanswer_prompt_may_be_a_text():
    assert walk("sequential", reanswer="Again!").said(2)[-1] == "Again!"


SCRIPT = {
    1: {"thinking": "Try 4.\n\nNo. Take 5!\nDone.", "text": "It is 5.", "answer": "5"},
    2: {"thinking": "", "text": "", "answer": None, "canonical": None},
    3: {"thinking": "a</think>b", "text": "five", "answer": "5.0"},
    4: {"thinking": "c", "text": "7", "answer": "7", "canonical": "7"},
    5: {"thinking": "d", "text": "x", "answer": "x", "canonical": None},
}


def told(history, step=6, **options):
    """What attempt ``step`` sees of the script under a form of history."""
    seen = walk("sequential", SCRIPT, attempts=6, history=history, **options)
    assert seen.said(1) == [Q]
    return seen.said(step)


def test_a_window_shows_the_last_attempts_alone_in_every_form():
    assert told("answers", window=1) == [Q, "x", AGAIN]
    assert told("answers", window=2) == [Q, "7", AGAIN, "x", AGAIN]
    assert told("tried", window=2) == [f"{Q}\n\nAlready tried, do not repeat:\n- 7\n- x\n\n{AGAIN}"]
    assert told("answers", window=5) == told("answers", window=9) == told("answers")


def test_a_window_of_each_chain_is_its_own():
    seen = walk("chains", attempts=6, width=2, window=1)
    assert [seen.said(k) for k in (5, 6)] == [[Q, "t3", AGAIN], [Q, "t4", AGAIN]]


def test_thinking_stands_before_the_answer_where_no_template_cuts_it():
    assert told("thinking", 4) == [
        Q, "Try 4.\n\nNo. Take 5!\nDone.\n\nIt is 5.", AGAIN, "", AGAIN, "ab\n\nfive", AGAIN
    ]  # fmt: skip


def test_tally_counts_equivalent_answers_together():
    lines = "Answers so far:\n- 5 (2 times)\n- 7 (once)\n- x (once)\n- no answer (once)"
    assert told("tally") == [f"{Q}\n\n{lines}\n\n{AGAIN}"]


def test_tried_lists_each_answer_once_and_nothing_where_there_is_none():
    assert told("tried") == [f"{Q}\n\nAlready tried, do not repeat:\n- 5\n- 7\n- x\n\n{AGAIN}"]
    seen = walk("sequential", {1: SCRIPT[2]}, history="tried")
    assert seen.said(2) == [f"{Q}\n\n{AGAIN}"]


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({}, "Try 4."),
        ({"sketch": "2 lines"}, "Try 4.\nNo. Take 5!"),
        ({"sketch": "3 sentences"}, "Try 4. No. Take 5!"),
        ({"sketch": "5 characters"}, "Try 4"),
    ],
)
def test_sketches_show_how_each_thinking_began(options, first):
    begun = f"How earlier attempts began:\n1. {first}\n2. (no thinking)\n3. ab"
    assert told("sketches", 4, **options) == [f"{Q}\n\n{begun}\n\n{AGAIN}"]


def test_no_history_is_the_bare_question():
    assert told("none") == [Q]


def test_unary_feedback_follows_every_answer_right_or_wrong():
    seen = walk("sequential", {1: {"correct": False}}, feedback="unary", attempts=3)
    cue = f"Your previous answer may be wrong. {AGAIN}"
    assert seen.said(3) == [Q, "5", cue, "t2", cue]


def test_execution_feedback_is_what_the_public_tests_say():
    async def tests(text):
        return f"Test 1 failed.\nOutput: {text}"

    seen = walk("sequential", attempts=3, feedback="execution", tests=tests)
    said = [f"Test 1 failed.\nOutput: t{k}\n\n{AGAIN}" for k in (1, 2)]
    assert seen.said(3) == [Q, "t1", said[0], "t2", said[1]]
    seen = walk("sequential", attempts=3, feedback="execution", history="tally", tests=tests)
    assert seen.said(3) == [f"{Q}\n\nAnswers so far:\n- 5 (2 times)\n\n{said[1]}"]


def test_execution_feedback_needs_public_tests():
    with pytest.raises(UsageError, match="those of 'sums' have none"):
        walk("sequential", feedback="execution")


def test_a_code_problem_without_public_tests_is_skipped():
    untested = replace(PROBLEM, grader="code")
    for strategy in ("sequential", "chains", "reject_repeats"):
        seen = walk(strategy, feedback="execution", problem=untested)
        assert seen.skipped == dict.fromkeys(range(1, 5), "the problem has no public tests")


def test_repeats_are_drawn_again_and_the_last_draw_stands():
    five, seven, none = ({"canonical": c, "text": f"say {c}"} for c in ("5", "7", None))
    script = {1: five, 2: [five, five, seven, five], 3: [five, seven, seven, five], 4: [none, five]}
    seen = walk("reject_repeats", script, redraws=2)
    assert seen.draws == {1: 1, 2: 3, 3: 3, 4: 1}
    assert seen.said(4) == [Q, "say 5", AGAIN, "say 7", AGAIN, "say 7", AGAIN]


def test_budget_forcing_goes_on_from_the_trace():
    script = {1: {"thinking": "one"}, 2: {"thinking": "one\nHm two</think>x"}}
    seen = walk("budget_forcing", script, wait="Hm")
    assert list(seen.prefills.values())[:3] == ["", "one\nHm", "one\nHm twox\nHm"]
    assert all(seen.said(k) == [Q] for k in (1, 2, 3, 4))


def test_budget_forcing_goes_on_where_thinking_was_cut_without_a_word():
    cut = {"thinking": "one", "text": "", "finish": "length"}
    seen = walk("budget_forcing", {1: cut, 2: {"thinking": "one two", "text": "5"}}, wait="Hm")
    assert list(seen.prefills.values())[:3] == ["", "one", "one two\nHm"]


# --- hybrids


def test_chains_see_their_own_answers_only():
    seen = walk("chains", attempts=6, width=2, reanswer="Again!")
    assert seen.said(1) == seen.said(2) == [Q]
    assert seen.said(5) == [Q, "t1", "Again!", "t3", "Again!"]
    assert seen.said(6) == [Q, "t2", "Again!", "t4", "Again!"]


def test_rsa_combines_a_subset_of_the_round_before():
    seen = walk("rsa", {2: {"text": ""}}, attempts=9, population=3, subset=2)
    shown = {}
    for step in range(1, 10):
        [text] = seen.said(step)
        question, *candidates = text.split("\n\n")
        assert question == Q
        shown[step] = [c.split("\n")[1] for c in candidates[:-1]]
    answers = {1: "t1", 2: "(unfinished)", **{k: f"t{k}" for k in range(3, 10)}}
    assert shown[1] == shown[2] == shown[3] == []
    for step in range(4, 10):
        start = (step - 1) // 3 * 3 - 2
        round_before = {answers[k] for k in range(start, start + 3)}
        assert len(set(shown[step])) == 2 and set(shown[step]) <= round_before
    assert len({tuple(shown[step]) for step in range(4, 10)}) > 2
    again = walk("rsa", {2: {"text": ""}}, attempts=9, population=3, subset=2)
    assert again.asked == seen.asked


def test_drafts_are_distilled_and_the_notes_refined():
    seen = walk("draft_distil_refine", attempts=7, rounds=2, words=9)
    assert seen.said(1) == seen.said(2) == [Q]
    [distil] = seen.said(3)
    assert distil.startswith(f"{Q}\n\nCandidate 1:\nt1\n\nCandidate 2:\nt2\n\nWrite notes")
    assert "at most 9 words" in distil
    notes = "Notes from earlier attempts, which may be wrong:\n{}\n\nAnswer the question."
    assert seen.said(4) == seen.said(5) == [f"{Q}\n\n{notes.format('t3')}"]
    assert "t4" in seen.said(6)[0] and "t1" not in seen.said(6)[0]
    assert seen.said(7) == [f"{Q}\n\n{notes.format('t6')}"]


def test_unfinished_notes_leave_the_bare_question():
    assert walk("draft_distil_refine", {3: {"text": ""}}).said(4) == [Q]


def test_the_last_attempt_aggregates_all_others():
    seen = walk("aggregate", {3: {"text": ""}})
    assert [seen.said(k) for k in (1, 2, 3)] == [[Q]] * 3
    [text] = seen.said(4)
    listed = "Candidate 1:\nt1\n\nCandidate 2:\nt2\n\nCandidate 3:\n(unfinished)"
    assert text.startswith(f"{Q}\n\n{listed}\n\nSome or all")
    seen = walk("aggregate", drafts="sequential")
    assert seen.said(3) == [Q, "t1", AGAIN, "t2", AGAIN]
    assert "t3" in seen.said(4)[0]


# --- controls


@pytest.mark.parametrize("length", [0, 4, 5, 27, 28, 29, 400])
def test_filler_is_the_shortest_that_reaches_the_matched_length(length):
    others = [attempt(step=1, ledger=Ledger(length, None, 0, 1, 0.0))]
    messages = walk("irrelevant_context", others={"sequential": others}, attempts=1).asked[1]
    text = messages[0]["content"]
    padding, _, question = text.rpartition("\n\n") if "\n\n" in text else ("", "", text)
    assert question == Q
    assert count_words(messages) >= length
    sentences = padding.count(".")
    assert padding == filler(sentences)
    if sentences:
        shorter = f"{filler(sentences - 1)} {question}"
        assert count_words([{"role": "user", "content": shorter}]) < length


def rejected(prompt):
    return Draw(1, "", "", None, "stop", Ledger(prompt, None, 0, 1, 0.0))


def test_each_attempt_matches_the_same_attempt_of_the_arm_named():
    # Of the last one the last draw failed, so that its prompt is not in the ledger.
    prompts = {1: 10, 2: 2 * 20, 3: 3 * 30, 4: 3 * 40}
    others = [
        attempt(
            step=k, ledger=Ledger(total, None, 0, 1, 0.0), rejected=(rejected(10 * k),) * (k - 1)
        )
        for k, total in prompts.items()
    ]
    seen = walk("irrelevant_context", others={"deep": others}, match="deep")
    lengths = [count_words(seen.asked[k]) for k in (1, 2, 3, 4)]
    assert all(10 * k <= length < 10 * k + 6 for k, length in enumerate(lengths, 1))


def test_filler_repeats_sentence_by_sentence():
    assert filler(0) == ""
    assert filler(6) == " ".join([*SENTENCES, SENTENCES[0]])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8, 1000, 1023])
def test_fewest_finds_the_least_count(count):
    assert fewest(lambda n: n >= count) == count


def test_swapped_history_shows_the_pool_and_not_its_own_answers():
    seen = walk("swapped_history", others={"wide": POOL}, pool="wide", reanswer="Again!")
    assert seen.said(1) == [Q]
    assert seen.said(3) == [Q, "p1", "Again!", "p2", "Again!"]


def test_other_problems_shows_the_pool_of_the_partner():
    seen = walk("other_problems", partners={"parallel": POOL}, reanswer=2)
    assert seen.said(1) == [Q]
    assert seen.said(3) == [Q, "p1", REANSWER[2], "p2", REANSWER[2]]


def test_wrong_only_shows_wrong_answers_in_turn():
    grades = (True, False, None, False)
    pool = [structs.replace(p, correct=grade) for p, grade in zip(POOL, grades, strict=True)]
    pool.append(attempt(step=5, text="", correct=False))
    seen = walk("wrong_only", others={"parallel": pool})
    assert seen.said(4) == [Q, "p2", AGAIN, "p4", AGAIN, "p2", AGAIN]


def test_wrong_only_is_skipped_where_nothing_is_wrong():
    seen = walk("wrong_only", others={"parallel": POOL})
    assert not seen.asked
    assert seen.skipped == dict.fromkeys((1, 2, 3, 4), "arm parallel has no wrong answer to show")


def test_correct_shows_the_gold_answer_at_every_turn():
    assert walk("correct").said(3) == [Q, "2", AGAIN, "2", AGAIN]
    unknown = replace(PROBLEM, answer="")
    assert len(walk("correct", problem=unknown).skipped) == 4
    solved = replace(unknown, metadata={"solution": "def f(): pass"})
    assert walk("correct", problem=solved).said(2) == [Q, "def f(): pass", AGAIN]


def test_shuffled_shows_its_own_answers_in_another_order():
    seen = walk("shuffled", attempts=9)
    orders = [seen.said(k)[1::2] for k in range(1, 10)]
    for k, order in enumerate(orders, 1):
        assert sorted(order) == [f"t{i}" for i in range(1, k)]
    assert orders[8] != sorted(orders[8])
    assert walk("shuffled", attempts=9).asked == seen.asked


def test_masked_keeps_turns_and_length_but_not_the_text():
    script = {1: {"text": "three words here"}, 2: {"text": ""}, 3: {"text": "one"}}
    seen = walk("masked", script)
    assert seen.said(4) == [Q, "- - -", AGAIN, "", AGAIN, "-", AGAIN]
    assert roles(seen.asked[3]) == ["user", "assistant", "user", "assistant", "user"]
