"""What the Evaluator measures: one TFMA metric a task, each combining the model's own answers."""
