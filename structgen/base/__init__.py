"""The ground: errors, limits, files and locks, numba, JSON text, and values that all folders share."""
