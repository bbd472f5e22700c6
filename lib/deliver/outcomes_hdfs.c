/*
 * outcomes_hdfs - what a RemoteException of WebHDFS means, and a status where there is none
 *
 * Source: "Error Responses" of Apache's WebHDFS page, and the exceptions that a namenode throws for CREATE
 * and RENAME. Rights, tokens, quotas, standbys and safe mode pass or are mended: deferred. A path that cannot
 * be stays one that cannot be.
 */
#include "outcomes.h"

enum { FIRST_CODE = 1000 };

#define CODE(place, name, kind, marks, meaning)                                                              \
    {                                                                                                        \
        FIRST_CODE + (place), FIRST_CODE + (place), kind, name, marks, meaning                               \
    }
static const struct answer codes[] = {
    CODE(1, "AccessControlException", OUTCOME_DEFERRED, 0, "permission denied"),
    CODE(2, "AlreadyBeingCreatedException", OUTCOME_DEFERRED, 0, "another attempt is writing it"),
    CODE(3, "AuthenticationException", OUTCOME_DEFERRED, 0, "not authenticated"),
    CODE(4, "AuthorizationException", OUTCOME_DEFERRED, 0, "the user may not"),
    CODE(5, "DSQuotaExceededException", OUTCOME_DEFERRED, 0, "the space quota is exceeded"),
    CODE(6, "FileAlreadyExistsException", OUTCOME_DEFERRED, 0,
         "something is in the way of the temporary file"),
    CODE(7, "FileNotFoundException", OUTCOME_DEFERRED, 0, "it went away"),
    CODE(8, "IllegalArgumentException", OUTCOME_REJECTED, 0, "the request is not taken"),
    CODE(9, "InvalidPathException", OUTCOME_REJECTED, 0, "no path of this file system"),
    CODE(10, "InvalidToken", OUTCOME_DEFERRED, 0, "the delegation token is not valid"),
    CODE(11, "IOException", OUTCOME_DEFERRED, 0, "an error of the file system"),
    CODE(12, "LeaseExpiredException", OUTCOME_DEFERRED, 0, "another attempt took over"),
    CODE(13, "NSQuotaExceededException", OUTCOME_DEFERRED, 0, "the quota of names is exceeded"),
    CODE(14, "ParentNotDirectoryException", OUTCOME_REJECTED, 0, "a file stands where a folder is wanted"),
    CODE(15, "PathComponentTooLongException", OUTCOME_REJECTED, 0, "the name is too long"),
    CODE(16, "QuotaExceededException", OUTCOME_DEFERRED, 0, "a quota is exceeded"),
    CODE(17, "RetriableException", OUTCOME_DEFERRED, 0, "not now"),
    CODE(18, "RuntimeException", OUTCOME_DEFERRED, 0, "an error of the file system"),
    CODE(19, "SafeModeException", OUTCOME_DEFERRED, 0, "the namenode is in safe mode"),
    CODE(20, "SecurityException", OUTCOME_DEFERRED, 0, "not authenticated"),
    CODE(21, "ServerTooBusyException", OUTCOME_DEFERRED, OVERLOAD, "asked too often"),
    CODE(22, "StandbyException", OUTCOME_DEFERRED, 0, "the namenode is a standby"),
    CODE(23, "UnresolvedPathException", OUTCOME_REJECTED, 0, "a symbolic link leads nowhere"),
    CODE(24, "UnsupportedOperationException", OUTCOME_REJECTED, 0, "the server cannot do that"),
    {300, 399, OUTCOME_DEFERRED, "http_3xx", 0, "a redirect that is not followed"},
    {401, 401, OUTCOME_DEFERRED, "http_401", 0, "Unauthorized"},
    {403, 403, OUTCOME_DEFERRED, "http_403", 0, "Forbidden"},
    {404, 404, OUTCOME_DEFERRED, "http_404", 0, "no WebHDFS there"},
    {408, 408, OUTCOME_DEFERRED, "http_408", OVERLOAD, "Request Timeout"},
    {429, 429, OUTCOME_DEFERRED, "http_429", OVERLOAD, "Too Many Requests"},
    {400, 499, OUTCOME_REJECTED, "http_4xx", 0, "client error"},
    {503, 503, OUTCOME_DEFERRED, "http_503", OVERLOAD, "Service Unavailable"},
    {504, 504, OUTCOME_DEFERRED, "http_504", OVERLOAD, "Gateway Timeout"},
    {500, 599, OUTCOME_DEFERRED, "http_5xx", 0, "server error"},
    {0},
};

static const struct answer events[] = {
    {EVENT_WRITTEN, EVENT_WRITTEN, OUTCOME_DELIVERED, "written", 0, "written, and renamed to its name"},
    {EVENT_THERE_ALREADY, EVENT_THERE_ALREADY, OUTCOME_DELIVERED, "there_already", 0,
     "the same is there: an earlier attempt wrote it"},
    {EVENT_EXISTS, EVENT_EXISTS, OUTCOME_REJECTED, "exists", 0, "a file with other content is there"},
    {EVENT_TIMEOUT, EVENT_TIMEOUT, OUTCOME_DEFERRED, "timeout", OVERLOAD, "no answer in time"},
    {EVENT_CONNECT, EVENT_CONNECT, OUTCOME_DEFERRED, "connect", 0, "no such name, or no connection"},
    {EVENT_TLS, EVENT_TLS, OUTCOME_DEFERRED, "tls", 0, "no trusted TLS"},
    {EVENT_BROKEN, EVENT_BROKEN, OUTCOME_DEFERRED, "broken", 0, "no WebHDFS, or it broke off"},
    {EVENT_SYSTEM, EVENT_SYSTEM, OUTCOME_DEFERRED, "system", LOCAL, "this host has no socket for it"},
    {EVENT_REFUSED_ADDRESS, EVENT_REFUSED_ADDRESS, OUTCOME_REJECTED, "refused_address", LOCAL,
     "refused by the address guard"},
    {EVENT_CONFIGURATION, EVENT_CONFIGURATION, OUTCOME_REJECTED, "configuration", LOCAL,
     "the form cannot be used"},
    {0},
};

static const char *code_text(int code)
{
    for (const struct answer *row = codes; code >= FIRST_CODE && row->reason; row++)
        if (row->first == code)
            return row->reason;
    return NULL;
}

const struct outcome_table outcomes_hdfs = {"exception or HTTP status", code_text, codes, events};
