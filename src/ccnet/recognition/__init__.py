"""What is wrong with a picture: haze, motion blur, snow, or nothing."""

from ccnet.recognition.kinds import CLEAR, KINDS, TASKS

__all__ = ["CLEAR", "KINDS", "TASKS"]
