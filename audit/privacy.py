from common.privacy import nobodys

nobodys("names and addresses of staff at work only, see audit.services.record", "audit.AuditEntry")
nobodys("callers by number, answers by number, a week long", "audit.IdempotencyRecord")
nobodys("fingerprints", "audit.Allowance")
