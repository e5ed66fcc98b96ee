"""Where a pipeline runs; none of these repeats the DAG."""
