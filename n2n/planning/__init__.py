"""What there is to do, decided from lists of frames: which frames are one, what belongs together."""
