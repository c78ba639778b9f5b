"""The same run on many machines: its shards as tasks of Dask.distributed, merged into one verdict."""
