"""The small library behind the course: functions on arrays and tensors, nothing else."""
