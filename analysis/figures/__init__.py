"""Figures of the report, drawn from the summary alone: SVG, PDF and PNG, one column wide.

Every band and bar is the interval of the summary. A figure returns None where the summary holds
no numbers for it.
"""

from analysis.figures.save import save_figures

__all__ = ["save_figures"]
