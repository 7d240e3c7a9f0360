"""`make reader`: train the digit reader that ships with the course, and the rivals beside it."""
