"""The version: written here, read by the build and by everybody else.

What belongs here: one line. What does not: anything else.
"""

__version__ = "0.1.0"
