"""What Cronbox brings for scripts beside the standard library: `cronbox.crypto`."""
