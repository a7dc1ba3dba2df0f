"""Many runs: tasks on executors, results kept as they come, resumed after any stop."""
