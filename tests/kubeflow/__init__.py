"""A stand-in for Kubeflow Pipelines: each container of a compiled specification is a process here.

It does what the open-source server 2.x does, as far as a step can see it: `specification.py` is its
compiler, `executor_input.py` its driver and metadata, `launcher.py` its launcher, `cluster.py` the order of
the steps and the cache. What it refuses is refused here: resolvers, conditions, metadata without a value.
"""
