"""易支付 / epay V1 (MD5): submit.php, mapi.php, api.php and a signed GET notify."""
