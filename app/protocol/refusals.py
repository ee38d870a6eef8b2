"""Why a request proves nothing: one class per reason, and nothing else leaves this package for any input.

The class decides the answer (`TokenRefused` is 401, `NotForThis` is 403); `code` is for the log only, because
a caller who learns which check failed learns how to pass it. `detail` is always a word of ours (the name of a
claim), never text out of the token.
"""

from __future__ import annotations

from typing import ClassVar


class Refusal(Exception):
    """The request proves nothing."""

    code: ClassVar[str] = "refused"

    def __init__(self, detail: str = "") -> None:
        self.detail = detail
        message = type(self).__doc__ or self.code
        super().__init__(f"{message} ({detail})" if detail else message)


class TokenRefused(Refusal):
    """The token is malformed or not valid. Answer: 401."""

    code = "token_refused"


class NotForThis(Refusal):
    """The token is valid, but not for this. Answer: 403."""

    code = "not_for_this"


class KeySetUnfit(Refusal):
    """The key set as published must not be used. Not the caller's fault: treat it as unavailable."""

    code = "key_set_unfit"


# -- the shape of a token
# ------------------------------------------------------------------------------------------


class TokenTooLarge(TokenRefused):
    """The token is larger than any honest one."""

    code = "token_too_large"


class TokenMalformed(TokenRefused):
    """The token is not three dot-separated segments."""

    code = "token_malformed"


class Base64NotCanonical(TokenRefused):
    """A segment is not canonical base64url, so the same token would have several spellings."""

    code = "token_base64"


class JsonMalformed(TokenRefused):
    """A segment is not a JSON object in UTF-8."""

    code = "token_json"


class JsonNameRepeated(TokenRefused):
    """A JSON object names a member twice, so that two parsers would read two values."""

    code = "token_json_name_repeated"


class JsonTooDeep(TokenRefused):
    """The JSON is nested deeper than any honest token."""

    code = "token_json_too_deep"


class TextNotAllowed(TokenRefused):
    """The JSON holds a lone surrogate or a NUL, which databases and logs do not carry."""

    code = "token_text"


# -- the header
# ----------------------------------------------------------------------------------------------------


class AlgorithmNotAllowed(TokenRefused):
    """The header names another algorithm than the one of this kind of token."""

    code = "token_algorithm"


class TypeNotAllowed(TokenRefused):
    """The header says that this is something other than a JWT."""

    code = "token_type"


class HeaderNotUnderstood(TokenRefused):
    """The header asks for processing that we do not do."""

    code = "token_header"


class KidMalformed(TokenRefused):
    """The key id is missing or has a form that could lead a key look-up astray."""

    code = "token_kid"


# -- the key and the signature
# -------------------------------------------------------------------------------------


class KeyTooShort(TokenRefused):
    """The shared secret is too short to prove anything."""

    code = "key_too_short"


class SecretUnfit(TokenRefused):
    """The shared secret is a public key or a certificate: anybody could have signed."""

    code = "key_secret_unfit"


class PublicKeyUnfit(TokenRefused):
    """What should be the public key is not a plain RSA public key of sufficient strength."""

    code = "key_public_unfit"


class KeyUnknown(TokenRefused):
    """No published key has this key id."""

    code = "key_unknown"


class SignatureWrong(TokenRefused):
    """The signature is not by this key over this token."""

    code = "token_signature"


# -- the claims
# ----------------------------------------------------------------------------------------------------


class ClaimMissing(TokenRefused):
    """A claim that every honest token carries is missing."""

    code = "token_claim_missing"


class ClaimMalformed(TokenRefused):
    """A claim has the wrong type or form."""

    code = "token_claim_malformed"


class IssuerMalformed(TokenRefused):
    """The issuer is missing or is not a short printable text."""

    code = "token_issuer_malformed"


class IssuerWrong(TokenRefused):
    """The token was issued by somebody else."""

    code = "token_issuer_wrong"


class AudienceWrong(TokenRefused):
    """The token is addressed to somebody else, or also to somebody else."""

    code = "token_audience"


class TokenExpired(TokenRefused):
    """The token has expired."""

    code = "token_expired"


class TokenNotYetValid(TokenRefused):
    """The token claims to be of the future."""

    code = "token_not_yet_valid"


class TokenLifeNotAllowed(TokenRefused):
    """The token ends before it begins, or lives longer than any honest one."""

    code = "token_life"


# -- the request that the token is for
# -----------------------------------------------------------------------------


class TargetMalformed(TokenRefused):
    """The method or the raw request target has no canonical form."""

    code = "request_target"


class QshWrong(TokenRefused):
    """The token was signed for another request."""

    code = "qsh_wrong"


class ContextTokenRefused(TokenRefused):
    """A token for the app's own pages was sent where only Jira may call."""

    code = "qsh_context_refused"


class ContextTokenRequired(TokenRefused):
    """A token for one request of Jira was sent where only the app's own pages may call."""

    code = "qsh_context_required"


# -- Forge
# ---------------------------------------------------------------------------------------------------------


class IsolatedCloudRefused(TokenRefused):
    """The token is of an Isolated Cloud, whose keys this deployment does not know."""

    code = "fit_unsupported_cloud"


class ClaimsInconsistent(TokenRefused):
    """Two claims that name the same thing differ."""

    code = "fit_claims_inconsistent"


class EnvironmentRefused(NotForThis):
    """The app's environment that calls is not accepted by this deployment."""

    code = "fit_environment_rejected"


class ApiBaseUrlRefused(NotForThis):
    """The token names an API where our tokens must not be sent."""

    code = "fit_api_base_url_rejected"


class ModuleRefused(NotForThis):
    """The module that calls has no business on this route."""

    code = "fit_wrong_module"


class PrincipalRefused(NotForThis):
    """A user's browser calls a route that only Forge itself may call."""

    code = "fit_principal_refused"


class PrincipalRequired(NotForThis):
    """Nobody is logged in, and this route needs to know who asks."""

    code = "fit_principal_required"
