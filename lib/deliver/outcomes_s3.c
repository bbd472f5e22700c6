/*
 * outcomes_s3 - what an error of an object store means, and a status where the store names none
 *
 * Source: "Error Responses" of the S3 API Reference, and what MinIO and Ceph add. Keys, rights, regions,
 * quotas and clocks are an operator's to mend: deferred. What is wrong with this report's request is the same
 * the next time: rejected. A part that is missing or an upload that is gone was disturbed by another attempt
 * or a cleaner: the next attempt begins a new one.
 */
#include "outcomes.h"

/* A code is its place here; the numbers of statuses are below. */
enum { FIRST_CODE = 1000 };

#define CODE(place, name, kind, marks, meaning)                                                              \
    {                                                                                                        \
        FIRST_CODE + (place), FIRST_CODE + (place), kind, name, marks, meaning                               \
    }
static const struct answer codes[] = {
    {200, 299, OUTCOME_DELIVERED, "http_2xx", 0, "success"},
    CODE(1, "AccessDenied", OUTCOME_DEFERRED, 0, "the key may not write there"),
    CODE(2, "AccountProblem", OUTCOME_DEFERRED, 0, "the account is not in order"),
    CODE(3, "AllAccessDisabled", OUTCOME_DEFERRED, 0, "the bucket is closed"),
    CODE(4, "AuthorizationHeaderMalformed", OUTCOME_DEFERRED, 0, "signed for another region"),
    CODE(5, "BadDigest", OUTCOME_DEFERRED, 0, "the body changed on its way"),
    CODE(6, "EntityTooLarge", OUTCOME_REJECTED, 0, "the body is too large"),
    CODE(7, "EntityTooSmall", OUTCOME_REJECTED, 0, "a part is too small"),
    CODE(8, "ExpiredToken", OUTCOME_DEFERRED, 0, "the session token has expired"),
    CODE(9, "IncompleteBody", OUTCOME_DEFERRED, 0, "the body broke off"),
    CODE(10, "InternalError", OUTCOME_DEFERRED, 0, "an error of the store"),
    CODE(11, "InvalidAccessKeyId", OUTCOME_DEFERRED, 0, "no such access key"),
    CODE(12, "InvalidArgument", OUTCOME_REJECTED, 0, "the request is not taken"),
    CODE(13, "InvalidBucketName", OUTCOME_REJECTED, 0, "no name of a bucket"),
    CODE(14, "InvalidBucketState", OUTCOME_DEFERRED, 0, "not as the bucket is now"),
    CODE(15, "InvalidDigest", OUTCOME_REJECTED, 0, "the checksum is none"),
    CODE(16, "InvalidEncryptionAlgorithmError", OUTCOME_REJECTED, 0, "no such encryption"),
    CODE(17, "InvalidPart", OUTCOME_DEFERRED, 0, "a part is missing"),
    CODE(18, "InvalidPartOrder", OUTCOME_DEFERRED, 0, "parts are out of order"),
    CODE(19, "InvalidRequest", OUTCOME_REJECTED, 0, "the request is not taken"),
    CODE(20, "InvalidSecurity", OUTCOME_DEFERRED, 0, "the credentials are not valid"),
    CODE(21, "InvalidToken", OUTCOME_DEFERRED, 0, "the session token is not valid"),
    CODE(22, "KeyTooLongError", OUTCOME_REJECTED, 0, "the key is too long"),
    CODE(23, "KMS.DisabledException", OUTCOME_DEFERRED, 0, "the encryption key is disabled"),
    CODE(24, "KMS.NotFoundException", OUTCOME_DEFERRED, 0, "no such encryption key"),
    CODE(25, "MalformedXML", OUTCOME_REJECTED, 0, "the request is not taken"),
    CODE(26, "MetadataTooLarge", OUTCOME_REJECTED, 0, "the header is too large"),
    CODE(27, "MethodNotAllowed", OUTCOME_REJECTED, 0, "not allowed there"),
    CODE(28, "MissingContentLength", OUTCOME_REJECTED, 0, "Length Required"),
    CODE(29, "NoSuchBucket", OUTCOME_DEFERRED, 0, "the bucket does not exist"),
    CODE(30, "NoSuchUpload", OUTCOME_DEFERRED, 0, "the upload in parts is gone"),
    CODE(31, "NotImplemented", OUTCOME_REJECTED, 0, "the store cannot do that"),
    CODE(32, "NotSignedUp", OUTCOME_DEFERRED, 0, "the account is not in order"),
    CODE(33, "OperationAborted", OUTCOME_DEFERRED, 0, "another request is at work there"),
    CODE(34, "PermanentRedirect", OUTCOME_DEFERRED, 0, "the bucket is at another endpoint"),
    CODE(35, "QuotaExceeded", OUTCOME_DEFERRED, 0, "the quota is exceeded"),
    CODE(36, "RequestTimeout", OUTCOME_DEFERRED, OVERLOAD, "the body came too slowly"),
    CODE(37, "RequestTimeTooSkewed", OUTCOME_DEFERRED, 0, "the clocks differ too much"),
    CODE(38, "ServiceUnavailable", OUTCOME_DEFERRED, OVERLOAD, "Service Unavailable"),
    CODE(39, "SignatureDoesNotMatch", OUTCOME_DEFERRED, 0, "the secret key is another one"),
    CODE(40, "SlowDown", OUTCOME_DEFERRED, OVERLOAD, "asked too often"),
    CODE(41, "TemporaryRedirect", OUTCOME_DEFERRED, 0, "the bucket is at another endpoint, for now"),
    CODE(42, "XAmzContentChecksumMismatch", OUTCOME_DEFERRED, 0, "the body changed on its way"),
    CODE(43, "XAmzContentSHA256Mismatch", OUTCOME_DEFERRED, 0, "the body changed on its way"),
    CODE(44, "XMinioStorageFull", OUTCOME_DEFERRED, 0, "the store is full"),
    {300, 399, OUTCOME_DEFERRED, "http_3xx", 0, "the bucket is at another endpoint"},
    {401, 401, OUTCOME_DEFERRED, "http_401", 0, "Unauthorized"},
    {403, 403, OUTCOME_DEFERRED, "http_403", 0, "Forbidden"},
    {404, 404, OUTCOME_DEFERRED, "http_404", 0, "the bucket does not exist"},
    {408, 408, OUTCOME_DEFERRED, "http_408", OVERLOAD, "Request Timeout"},
    {429, 429, OUTCOME_DEFERRED, "http_429", OVERLOAD, "Too Many Requests"},
    {400, 499, OUTCOME_REJECTED, "http_4xx", 0, "client error"},
    {503, 503, OUTCOME_DEFERRED, "http_503", OVERLOAD, "Service Unavailable"},
    {504, 504, OUTCOME_DEFERRED, "http_504", OVERLOAD, "Gateway Timeout"},
    {500, 599, OUTCOME_DEFERRED, "http_5xx", 0, "server error"},
    {0},
};

static const struct answer events[] = {
    {EVENT_TIMEOUT, EVENT_TIMEOUT, OUTCOME_DEFERRED, "timeout", OVERLOAD, "no answer in time"},
    {EVENT_CONNECT, EVENT_CONNECT, OUTCOME_DEFERRED, "connect", 0, "no such name, or no connection"},
    {EVENT_TLS, EVENT_TLS, OUTCOME_DEFERRED, "tls", 0, "no trusted TLS"},
    {EVENT_BROKEN, EVENT_BROKEN, OUTCOME_DEFERRED, "broken", 0, "no answer of a store, or it broke off"},
    {EVENT_SYSTEM, EVENT_SYSTEM, OUTCOME_DEFERRED, "system", LOCAL, "this host has no socket for it"},
    {EVENT_REFUSED_ADDRESS, EVENT_REFUSED_ADDRESS, OUTCOME_REJECTED, "refused_address", LOCAL,
     "refused by the address guard"},
    {EVENT_CREDENTIALS, EVENT_CREDENTIALS, OUTCOME_DEFERRED, "credentials", LOCAL | HELD,
     "the credentials lack what is wanted"},
    {EVENT_CONFIGURATION, EVENT_CONFIGURATION, OUTCOME_REJECTED, "configuration", LOCAL,
     "the form cannot be used"},
    {0},
};

/* Of a code of the store its name, which is its reason; of a status NULL. */
static const char *code_text(int code)
{
    for (const struct answer *row = codes; code >= FIRST_CODE && row->reason; row++)
        if (row->first == code)
            return row->reason;
    return NULL;
}

const struct outcome_table outcomes_s3 = {"error code or HTTP status", code_text, codes, events};
