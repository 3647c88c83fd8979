"""Checks of the exercises: each says what is wrong with an answer, not only that it is."""

from goodharts_lib.teaching.check import check, fault_of

__all__ = ["check", "fault_of"]
