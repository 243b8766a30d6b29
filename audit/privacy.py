from common.privacy import nobodys

nobodys("names and addresses of staff at work only, see audit.services.record", "audit.AuditEntry")
nobodys("callers by number, answers by number, a week long", "audit.IdempotencyRecord")
nobodys("fingerprints", "audit.Allowance")
nobodys(
    "the chain over the log, and what staff asked each other for",
    "audit.PendingEntry",
    "audit.ChainLink",
    "audit.ChainAnchor",
    "audit.ChainCheck",
    "audit.Approval",
)
