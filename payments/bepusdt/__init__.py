"""BEpusdt: stable coins on a server of one's own. create-transaction, check-status, cancel-transaction, a JSON notify."""
