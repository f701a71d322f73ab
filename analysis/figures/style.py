"""How the figures look.

Colours are those of Okabe and Ito, told apart with every common colour blindness. Parallel and
sequential, and each training method, keep one colour through all figures.
"""

from typing import Any

INK, SOFT, RULE = "#1b1f23", "#5d666f", "#c9cfd5"
PARALLEL, SEQUENTIAL = "#0072b2", "#d55e00"
METHODS = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9")
PALETTE = (INK, SOFT, RULE, PARALLEL, SEQUENTIAL, *METHODS)
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)))
WIDTH, WIDE = 3.4, 7.0
"""Inches: one column, and both columns, of a page."""

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
    "font.size": 7.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 4,
    "axes.formatter.useoffset": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.3,
    "text.parse_math": False,  # names of systems may hold a dollar sign
    "svg.fonttype": "none",
    "svg.hashsalt": "forage",
    "pdf.fonttype": 42,
}
