"""The network: torch lives here and nowhere else."""
