"""Swarms: a large run as many shards, on the processes of one machine, a cluster, or a job array."""
