"""Attempts that another tool made, as the records that the analysis reads; and the way back."""
