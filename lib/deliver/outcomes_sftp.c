/*
 * outcomes_sftp - what a status of SFTP means, and how it went where there is none
 *
 * Source: draft-ietf-secsh-filexfer section 7. Version 3, which most servers speak, has the codes up to 8,
 * and FAILURE for all else: a full disk, a quota. Rights, folders, space, logins and keys of hosts are an
 * operator's to mend: deferred. A name that cannot be stays one that cannot be.
 */
#include "outcomes.h"

#define STATUS(code, kind, name, meaning)                                                                    \
    {                                                                                                        \
        code, code, kind, name, 0, meaning                                                                   \
    }
static const struct answer codes[] = {
    STATUS(2, OUTCOME_DEFERRED, "no_such_file", "no such folder"),
    STATUS(3, OUTCOME_DEFERRED, "permission_denied", "no right to it"),
    STATUS(4, OUTCOME_DEFERRED, "failure", "a full disk, a quota, or something else"),
    STATUS(5, OUTCOME_DEFERRED, "bad_message", "the server did not understand"),
    STATUS(6, OUTCOME_DEFERRED, "no_connection", "no connection of the server's own"),
    STATUS(7, OUTCOME_DEFERRED, "connection_lost", "the server lost a connection"),
    STATUS(8, OUTCOME_REJECTED, "op_unsupported", "the server cannot do that"),
    STATUS(9, OUTCOME_DEFERRED, "invalid_handle", "the server forgot the open file"),
    STATUS(10, OUTCOME_DEFERRED, "no_such_path", "no such folder"),
    STATUS(11, OUTCOME_DEFERRED, "file_already_exists", "something is in the way of the temporary file"),
    STATUS(12, OUTCOME_DEFERRED, "write_protect", "the file system is read-only"),
    STATUS(13, OUTCOME_DEFERRED, "no_media", "there is no medium"),
    STATUS(14, OUTCOME_DEFERRED, "no_space", "the file system is full"),
    STATUS(15, OUTCOME_DEFERRED, "quota_exceeded", "a quota is exceeded"),
    STATUS(16, OUTCOME_DEFERRED, "unknown_principal", "a user that is not known"),
    STATUS(17, OUTCOME_DEFERRED, "lock_conflict", "somebody has locked it"),
    STATUS(18, OUTCOME_DEFERRED, "dir_not_empty", "a folder that is not empty"),
    STATUS(19, OUTCOME_REJECTED, "not_a_directory", "a file stands where a folder is wanted"),
    STATUS(20, OUTCOME_REJECTED, "invalid_filename", "no name of this file system"),
    STATUS(21, OUTCOME_REJECTED, "link_loop", "a symbolic link leads to itself"),
    {0, 100, OUTCOME_DEFERRED, "status", 0, "any other status"},
    {0},
};

static const struct answer events[] = {
    {EVENT_WRITTEN, EVENT_WRITTEN, OUTCOME_DELIVERED, "written", 0, "written, and renamed to its name"},
    {EVENT_THERE_ALREADY, EVENT_THERE_ALREADY, OUTCOME_DELIVERED, "there_already", 0,
     "the same is there: an earlier attempt wrote it"},
    {EVENT_EXISTS, EVENT_EXISTS, OUTCOME_REJECTED, "exists", 0, "a file with other content is there"},
    {EVENT_HOST_KEY, EVENT_HOST_KEY, OUTCOME_DEFERRED, "host_key", 0, "not the key of a host that is known"},
    {EVENT_LOGIN, EVENT_LOGIN, OUTCOME_DEFERRED, "login", 0, "the login is refused"},
    {EVENT_TIMEOUT, EVENT_TIMEOUT, OUTCOME_DEFERRED, "timeout", OVERLOAD, "no answer in time"},
    {EVENT_CONNECT, EVENT_CONNECT, OUTCOME_DEFERRED, "connect", 0, "no such name, or no connection"},
    {EVENT_BROKEN, EVENT_BROKEN, OUTCOME_DEFERRED, "broken", 0, "no SSH, or it broke off"},
    {EVENT_SYSTEM, EVENT_SYSTEM, OUTCOME_DEFERRED, "system", LOCAL,
     "this host has no socket or thread for it"},
    {EVENT_REFUSED_ADDRESS, EVENT_REFUSED_ADDRESS, OUTCOME_REJECTED, "refused_address", LOCAL,
     "refused by the address guard"},
    {EVENT_CREDENTIALS, EVENT_CREDENTIALS, OUTCOME_DEFERRED, "credentials", LOCAL | HELD,
     "the credentials lack what is wanted"},
    {EVENT_CONFIGURATION, EVENT_CONFIGURATION, OUTCOME_REJECTED, "configuration", LOCAL,
     "the form cannot be used"},
    {0},
};

static const char *code_text(int code)
{
    for (const struct answer *row = codes; row->reason; row++)
        if (row->first == code && row->last == code)
            return row->reason;
    return NULL;
}

const struct outcome_table outcomes_sftp = {"SFTP status", code_text, codes, events};
