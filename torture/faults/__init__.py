"""One module, one family of faults; see the package above."""
