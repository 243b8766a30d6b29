"""Reconciliation: what a gateway's statement says against what we booked; each difference becomes a case with an owner.

files reads records out of CSV and XLSX, forms knows whose statement looks how, reading makes typed rows of them, ours reads
our side, comparing finds the differences (no database), checking and cases write what was found. Nothing here moves money.
"""
