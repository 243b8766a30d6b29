"""Which sources a page may use, for the shop and for the admin."""

from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

CSP_REPORTS = "/csp-report/"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "frame-ancestors": [NONE],
        # The payment page is left through a form that posts to a gateway; payments adds the channels' hosts.
        "form-action": [SELF],
        "frame-src": [NONE],
        "report-uri": CSP_REPORTS,
    }
}
# The admin's pages are run by standard Alpine, which evaluates its attributes, and unfold colours them by a style element.
ADMIN_CONTENT_SECURITY_POLICY = {
    "default-src": [SELF],
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
    "object-src": [NONE],
    "base-uri": [SELF],
    "frame-ancestors": [NONE],
    "form-action": [SELF],
    "report-uri": CSP_REPORTS,
}
