"""Many replicates of a scenario: played in batches by any number of workers, kept as Parquet, summed up and drawn."""
