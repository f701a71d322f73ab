"""Estimators, inference, verdict, figures and report. Reads records; never imports torch or an engine."""
