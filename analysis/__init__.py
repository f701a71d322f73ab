"""Estimators, inference, verdict, figures and report, from records; no torch, no engine."""
