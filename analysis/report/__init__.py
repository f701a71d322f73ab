"""From a summary to the page, figures and tables that a person reads."""
