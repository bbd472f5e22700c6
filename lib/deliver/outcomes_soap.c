/*
 * outcomes_soap - what a SOAP fault means, and a status where there is none
 *
 * Sources: SOAP 1.1 section 4.4.1, SOAP 1.2 part 1 section 5.4.6, WS-Security 1.1.1 section 12. A fault of
 * the receiver passes, one of the sender comes again with the same report; a fault of security is mended by a
 * credential, a clock or an operator. What came with a code that is neither's is about the message.
 */
#include "outcomes_http.h"

#include <string.h>

enum { FIRST_CODE = 1000, OTHER = 99 };

#define CODE(place, name, kind, meaning)                                                                     \
    {                                                                                                        \
        FIRST_CODE + (place), FIRST_CODE + (place), kind, name, 0, meaning                                   \
    }
static const struct answer codes[] = {
    CODE(1, "Client", OUTCOME_REJECTED, "the message is not taken"),
    CODE(2, "Client.Authentication", OUTCOME_DEFERRED, "not authenticated"),
    CODE(3, "DataEncodingUnknown", OUTCOME_REJECTED, "an encoding that it does not know"),
    CODE(4, "MustUnderstand", OUTCOME_REJECTED, "a block of the header that it does not know"),
    CODE(5, "Receiver", OUTCOME_DEFERRED, "an error of the receiver"),
    CODE(6, "Sender", OUTCOME_REJECTED, "the message is not taken"),
    CODE(7, "Server", OUTCOME_DEFERRED, "an error of the receiver"),
    CODE(8, "VersionMismatch", OUTCOME_REJECTED, "another version of SOAP"),
    CODE(20, "FailedAuthentication", OUTCOME_DEFERRED, "user name or password is not taken"),
    CODE(21, "FailedCheck", OUTCOME_DEFERRED, "a signature is not valid"),
    CODE(22, "InvalidSecurity", OUTCOME_DEFERRED, "an error in the header of security"),
    CODE(23, "InvalidSecurityToken", OUTCOME_DEFERRED, "a token that is not valid"),
    CODE(24, "MessageExpired", OUTCOME_DEFERRED, "the message came too late"),
    CODE(25, "SecurityTokenUnavailable", OUTCOME_DEFERRED, "a token that cannot be had"),
    CODE(26, "UnsupportedAlgorithm", OUTCOME_DEFERRED, "an algorithm that it does not take"),
    CODE(27, "UnsupportedSecurityToken", OUTCOME_DEFERRED, "a token that it does not take"),
    CODE(OTHER, "Fault", OUTCOME_REJECTED, "a fault of another code"),
    OUTCOMES_HTTP_STATUSES,
    {0},
};
static const struct answer events[] = {
    OUTCOMES_HTTP_EVENTS,
    {EVENT_BODY, EVENT_BODY, OUTCOME_REJECTED, "body", LOCAL, "no envelope can be made of the body"},
    {0},
};

static const char *code_text(int code)
{
    for (const struct answer *row = codes; code >= FIRST_CODE && row->reason; row++)
        if (row->first == code)
            return code == FIRST_CODE + OTHER ? "another fault" : row->reason;
    return NULL;
}

static int find(const char *code, size_t size)
{
    for (const struct answer *row = codes; row->first >= FIRST_CODE; row++)
        if (strlen(row->reason) == size && memcmp(row->reason, code, size) == 0)
            return row->first;
    return 0;
}

int outcomes_soap_code(const char *code, const char *subcode)
{
    int found = find(subcode, strlen(subcode));

    /* "Sender" with "FailedAuthentication" is what security says; an application's own "Server" is not. */
    if (found >= FIRST_CODE + 20 && found < FIRST_CODE + OTHER)
        return found;
    found = find(code, strlen(code));
    if (!found)
        found = find(code, strcspn(code, "."));
    return found ? found : FIRST_CODE + OTHER;
}

const struct outcome_table outcomes_soap = {"fault or HTTP status", code_text, codes, events};
