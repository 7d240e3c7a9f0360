"""Answers to the graded tasks as people write them: right in two ways, wrong in all known ones.

Each module has RIGHT, task -> functions that must be accepted, and WRONG, task -> mistake ->
function that must be refused with the sentence of exactly that mistake.
"""

from tests.answers import (
    lesson_00,
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
    lesson_11,
    lesson_12,
    lesson_13,
    lesson_14,
    lesson_15,
)

LESSONS = (
    lesson_00,
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
    lesson_11,
    lesson_12,
    lesson_13,
    lesson_14,
    lesson_15,
)
RIGHT = {task: answers for lesson in LESSONS for task, answers in lesson.RIGHT.items()}
WRONG = {task: answers for lesson in LESSONS for task, answers in lesson.WRONG.items()}
