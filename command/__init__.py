"""The verbs of ``forage``, a file for each program. What a verb needs is imported inside it."""
