"""The API: who may call it and how, and its description."""

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["audit.throttles.CallsThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["common.api.parsing.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "common.api.parsing.NoFormatOverride",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "common.api.errors.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "kameng API",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api",
    "COMPONENT_SPLIT_REQUEST": True,
    "DISABLE_DOCSTRING_DESCRIPTIONS": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "OrderState": "orders.models.Order.State",
        "ReviewState": "catalog.models.Review.State",
        "LineState": "orders.models.OrderLine.State",
        "PriceStage": "orders.models.PriceStep.Stage",
        "TierStage": "membership.models.MemberTier.Stage",
        "ProductKind": "catalog.models.Product.Kind",
        "TransferKind": "wallet.models.Transfer.Kind",
        "WithdrawalState": "payments.models.Withdrawal.State",
        "PayoutAccountState": "payments.models.PayoutAccount.State",
        "CreditState": "wallet.models.CreditLine.State",
        "DisputeState": "orders.models.Dispute.State",
        "PayWith": ["wallet"],
    },
    "AUTHENTICATION_WHITELIST": ["accounts.authentication.TokenAuthentication"],
    "PATH_CONVERTER_OVERRIDES": {"public_id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"}},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "common.api.schema.add_common",
    ],
}
