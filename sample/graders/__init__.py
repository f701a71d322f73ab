"""One module per grader; each judges answer texts by ``grade(problem, text)``."""
