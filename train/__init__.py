"""Histories, rewards, the GRPO trainer, and pre-training of the embedded model."""
