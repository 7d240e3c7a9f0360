"""Grading a class: strangers' code runs behind a wall, and the checkers stay on this side of it."""
