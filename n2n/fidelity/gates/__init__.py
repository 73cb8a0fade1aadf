"""What every image has to pass: one file a gate."""
