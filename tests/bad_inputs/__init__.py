"""The 86 bad inputs, each by its number: here, or where covered.py says."""
