/*
 * pg_message - see pg_message.h
 */
#include "pg_message.h"

#include <string.h>
#include "text.h"

const char *pg_first_line(const char *message, char out[PG_LINE_SIZE])
{
    text_copy(out, PG_LINE_SIZE, message ? message : "");
    out[strcspn(out, "\r\n")] = '\0';
    return text_printable(text_trim(out));
}

const char *pg_state_in_message(char *message, char state[PG_STATE_SIZE])
{
    for (char *at = strstr(message, ":  "); at; at = strstr(at + 1, ":  ")) {
        char *code = at + 3;

        if (strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && text_starts_with(code + 5, ": ")) {
            memcpy(state, code, 5);
            state[5] = '\0';
            memmove(code, code + 7, strlen(code + 7) + 1);
            return state;
        }
    }
    return "";
}
