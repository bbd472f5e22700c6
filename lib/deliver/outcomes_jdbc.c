/*
 * outcomes_jdbc - what a SQLSTATE means (PostgreSQL's appendix A), and what came instead of one
 *
 * A value or a row that the table does not take stays so: rejected, and with it what a trigger or a function
 * raises. An operator mends tables, columns, rights, passwords and space; conflicts with others, shutdowns
 * and connections pass: deferred. A state or class without a row is deferred as unknown.
 */
#include "outcomes.h"
#include "sqlstate.h"

#include <stdlib.h>
#include <string.h>

#define DIGIT(c) ((c) <= '9' ? (c) - '0' : (c) - 'A' + 10)
#define STATE(a, b, c, d, e) ((((DIGIT(a) * 36 + DIGIT(b)) * 36 + DIGIT(c)) * 36 + DIGIT(d)) * 36 + DIGIT(e))
#define ONE(a, b, c, d, e) STATE(a, b, c, d, e), STATE(a, b, c, d, e)
#define CLASS(a, b) STATE(a, b, '0', '0', '0'), STATE(a, b, 'Z', 'Z', 'Z')

static const struct answer codes[] = {
    {ONE('0', '0', '0', '0', '0'), OUTCOME_DELIVERED, "written", 0, "committed"},
    {CLASS('0', '8'), OUTCOME_DEFERRED, "connection", 0, "connection exception"},
    {CLASS('0', 'A'), OUTCOME_DEFERRED, "unsupported", 0, "feature not supported"},
    {CLASS('2', '1'), OUTCOME_REJECTED, "data", 0, "cardinality violation: a key twice in one report"},
    {CLASS('2', '2'), OUTCOME_REJECTED, "data", 0, "data exception"},
    {ONE('2', '3', '5', '0', '5'), OUTCOME_REJECTED, "duplicate", 0, "unique violation"},
    {CLASS('2', '3'), OUTCOME_REJECTED, "constraint", 0, "integrity constraint violation"},
    {ONE('2', '5', '0', '0', '6'), OUTCOME_DEFERRED, "read_only", 0, "read-only: a standby"},
    {CLASS('2', '5'), OUTCOME_DEFERRED, "transaction", 0, "invalid transaction state"},
    {CLASS('2', '8'), OUTCOME_DEFERRED, "login", 0, "invalid user or password"},
    {CLASS('3', 'D'), OUTCOME_DEFERRED, "no_database", 0, "no such database"},
    {CLASS('3', 'F'), OUTCOME_DEFERRED, "no_schema", 0, "no such schema"},
    {ONE('4', '0', '0', '0', '1'), OUTCOME_DEFERRED, "serialization", 0, "serialization failure"},
    {ONE('4', '0', 'P', '0', '1'), OUTCOME_DEFERRED, "deadlock", 0, "deadlock detected"},
    {CLASS('4', '0'), OUTCOME_DEFERRED, "rollback", 0, "transaction rolled back"},
    {ONE('4', '2', '5', '0', '1'), OUTCOME_DEFERRED, "privilege", 0, "insufficient privilege"},
    {ONE('4', '2', '7', '0', '3'), OUTCOME_DEFERRED, "no_column", 0, "no such column"},
    {ONE('4', '2', 'P', '0', '1'), OUTCOME_DEFERRED, "no_table", 0, "no such table"},
    {ONE('4', '2', 'P', '1', '0'), OUTCOME_DEFERRED, "no_key", 0, "no unique index on the key"},
    {CLASS('4', '2'), OUTCOME_DEFERRED, "statement", 0, "the table does not fit the form"},
    {CLASS('4', '4'), OUTCOME_REJECTED, "constraint", 0, "WITH CHECK OPTION violation"},
    {ONE('5', '3', '1', '0', '0'), OUTCOME_DEFERRED, "full", 0, "disk full"},
    {ONE('5', '3', '3', '0', '0'), OUTCOME_DEFERRED, "connections", OVERLOAD, "too many connections"},
    {CLASS('5', '3'), OUTCOME_DEFERRED, "resources", OVERLOAD, "insufficient resources"},
    {CLASS('5', '4'), OUTCOME_REJECTED, "limit", 0, "a limit of the server's"},
    {ONE('5', '5', 'P', '0', '3'), OUTCOME_DEFERRED, "lock", OVERLOAD, "lock not available"},
    {CLASS('5', '5'), OUTCOME_DEFERRED, "state", 0, "not in the state for it"},
    {ONE('5', '7', '0', '1', '4'), OUTCOME_DEFERRED, "canceled", OVERLOAD, "the statement took too long"},
    {CLASS('5', '7'), OUTCOME_DEFERRED, "shutdown", 0, "the server ends, or starts"},
    {CLASS('5', '8'), OUTCOME_DEFERRED, "system_error", 0, "an error of the server's system"},
    {CLASS('P', '0'), OUTCOME_REJECTED, "raised", 0, "a trigger or a function raised it"},
    {CLASS('X', 'X'), OUTCOME_DEFERRED, "internal", 0, "an internal error of the server"},
    {0},
};

static const struct answer events[] = {
    {EVENT_TIMEOUT, EVENT_TIMEOUT, OUTCOME_DEFERRED, "timeout", OVERLOAD, "no answer in time"},
    {EVENT_CONNECT, EVENT_CONNECT, OUTCOME_DEFERRED, "connect", 0, "no such name, or no connection"},
    {EVENT_TLS, EVENT_TLS, OUTCOME_DEFERRED, "tls", 0, "no trusted TLS"},
    {EVENT_BROKEN, EVENT_BROKEN, OUTCOME_DEFERRED, "broken", 0, "the connection broke"},
    {EVENT_SYSTEM, EVENT_SYSTEM, OUTCOME_DEFERRED, "system", LOCAL, "this host has no thread for it"},
    {EVENT_REFUSED_ADDRESS, EVENT_REFUSED_ADDRESS, OUTCOME_REJECTED, "refused_address", LOCAL,
     "refused by the address guard"},
    {EVENT_BODY, EVENT_BODY, OUTCOME_REJECTED, "body", LOCAL, "the body is not what the table takes"},
    {EVENT_CREDENTIALS, EVENT_CREDENTIALS, OUTCOME_DEFERRED, "credentials", LOCAL | HELD,
     "the credentials lack what is wanted"},
    {EVENT_CONFIGURATION, EVENT_CONFIGURATION, OUTCOME_REJECTED, "configuration", LOCAL,
     "the form cannot be used"},
    {0},
};

int sqlstate_code(const char *state)
{
    int code = 0;

    if (strlen(state) != 5 || strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5)
        return -1;
    for (const char *c = state; *c; c++)
        code = code * 36 + DIGIT(*c);
    return code;
}

int sqlstate_number(const char *state)
{
    return strlen(state) == 5 && strspn(state, "0123456789") == 5 ? (int)strtol(state, NULL, 10) : 0;
}

/* The ends of the ranges above. */
static const char *code_text(int code)
{
    static const char *const states[] = {
        "00000", "08000", "08ZZZ", "0A000", "0AZZZ", "21000", "21ZZZ", "22000", "22ZZZ", "23000", "23505",
        "23ZZZ", "25000", "25006", "25ZZZ", "28000", "28ZZZ", "3D000", "3DZZZ", "3F000", "3FZZZ", "40000",
        "40001", "40P01", "40ZZZ", "42000", "42501", "42703", "42P01", "42P10", "42ZZZ", "44000", "44ZZZ",
        "53000", "53100", "53300", "53ZZZ", "54000", "54ZZZ", "55000", "55P03", "55ZZZ", "57000", "57014",
        "57ZZZ", "58000", "58ZZZ", "P0000", "P0ZZZ", "XX000", "XXZZZ",
    };

    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (sqlstate_code(states[i]) == code)
            return states[i];
    return NULL;
}

const struct outcome_table outcomes_jdbc = {"SQLSTATE", code_text, codes, events};
