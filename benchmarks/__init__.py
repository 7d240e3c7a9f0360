"""What the course claims about errors, times and files, measured side by side."""
