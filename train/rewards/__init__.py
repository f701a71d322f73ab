"""Rewards of the attempts of one group: one small pure function each, combined in one."""
