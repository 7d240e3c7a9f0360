"""Grading a class: strangers' code runs inside a sandbox, and the checkers look at it from outside."""
