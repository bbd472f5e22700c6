/*
 * soap_fault - see soap_fault.h
 *
 * The path of an element is told by names alone, once the envelope and its Fault are in their namespace; a
 * detail is passed over whatever it holds.
 */
#include "soap_fault.h"

#include <stdbool.h>
#include <string.h>
#include "soap_envelope.h"
#include "text.h"
#include "xml_document.h"

/* A fault is some hundred of them; a stack trace in its detail some thousand. */
static const struct xml_limits limits = {.max_nodes = 1000000, .max_depth = 200};

enum { PATH_DEPTH = 6, NAME_SIZE = 16 };

struct reading {
    struct soap_fault *fault;
    enum soap_answer answer;
    int version; /* of the envelope, or -1 */
    int depth;
    bool in_body;
    char path[PATH_DEPTH][NAME_SIZE]; /* names below the fault, cut; a cut one is none of ours */
    char *out;                        /* where the text goes, or NULL */
    size_t out_size;
};

/* Below Fault. */
static const struct {
    const char *path[4];
    size_t offset, size;
} members[] = {
    {{"faultcode"}, offsetof(struct soap_fault, code), SOAP_CODE_SIZE},
    {{"Code", "Value"}, offsetof(struct soap_fault, code), SOAP_CODE_SIZE},
    {{"Code", "Subcode", "Value"}, offsetof(struct soap_fault, subcode), SOAP_CODE_SIZE},
    {{"faultstring"}, offsetof(struct soap_fault, reason), SOAP_REASON_SIZE},
    {{"Reason", "Text"}, offsetof(struct soap_fault, reason), SOAP_REASON_SIZE},
};

static bool same(const xmlChar *text, const char *word)
{
    return text && strcmp((const char *)text, word) == 0;
}

static int version_of(const xmlChar *uri)
{
    for (int version = 0; version < SOAP_VERSION_COUNT; version++)
        if (same(uri, soap_namespaces[version]))
            return version;
    return -1;
}

/* The first text of a kind counts: a Reason has one for each language. */
static void find_out(struct reading *reading, int below)
{
    reading->out = NULL;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        int level = 0;
        while (level < below && members[i].path[level] &&
               strcmp(members[i].path[level], reading->path[level]) == 0)
            level++;
        char *out = (char *)reading->fault + members[i].offset;
        if (level == below && !members[i].path[level] && !*out) {
            reading->out = out;
            reading->out_size = members[i].size;
        }
    }
}

/* Envelope, Body, Fault; else an answer that is known, which ends the reading. */
static const char *on_frame(struct reading *reading, const struct xml_start *start)
{
    static const char known[] = "known";

    if (reading->depth == 1) {
        reading->version = same(start->name, "Envelope") ? version_of(start->uri) : -1;
        reading->answer = reading->version < 0 ? SOAP_NO_ENVELOPE : SOAP_REPLY;
        return reading->version < 0 ? known : NULL;
    }
    bool own = version_of(start->uri) == reading->version;
    if (reading->depth == 2) {
        reading->in_body = own && same(start->name, "Body");
        return NULL;
    }
    if (!reading->in_body)
        return NULL; /* in a header */
    if (!own || !same(start->name, "Fault"))
        return known;
    reading->answer = SOAP_FAULT;
    return NULL;
}

static const char *on_element(void *arg, const struct xml_start *start)
{
    struct reading *reading = arg;
    const int below = ++reading->depth - 3;

    if (below <= 0)
        return on_frame(reading, start);
    if (!reading->in_body || below > PATH_DEPTH) {
        reading->out = NULL;
        return NULL;
    }
    text_copy(reading->path[below - 1], NAME_SIZE, (const char *)start->name);
    find_out(reading, below);
    return NULL;
}

static const char *on_element_end(void *arg, const struct xml_start *start)
{
    struct reading *reading = arg;

    (void)start;
    reading->out = NULL;
    return --reading->depth == 2 && reading->in_body ? "known" : NULL;
}

static const char *on_text(void *arg, const xmlChar *text, int size)
{
    struct reading *reading = arg;

    if (!reading->out)
        return NULL;
    size_t used = strlen(reading->out), room = reading->out_size - 1 - used;
    size_t count = (size_t)size < room ? (size_t)size : room;
    memcpy(reading->out + used, text, count);
    reading->out[used + count] = '\0';
    return NULL;
}

/* One line: blanks of all kinds, one for many; what was cut in the middle of a character loses it. */
static void tidy(char *text, size_t size)
{
    size_t bad;
    char *to = text;

    if (strlen(text) == size - 1 && !text_is_utf8(text, size - 1, &bad))
        text[bad] = '\0';
    for (const char *from = text; *from; from++) {
        bool blank = strchr(" \t\r\n", *from) != NULL;
        if (!blank || (to > text && to[-1] != ' '))
            *to++ = blank ? ' ' : *from;
    }
    *to = '\0';
    text_trim(text);
    text_printable(text);
}

/* "soap:Server" is "Server". */
static void drop_prefix(char *code)
{
    const char *colon = strrchr(code, ':');

    if (colon)
        memmove(code, colon + 1, strlen(colon + 1) + 1);
}

enum soap_answer soap_fault_read(const void *data, size_t size, struct soap_fault *fault)
{
    struct reading reading = {.fault = fault, .version = -1};
    const struct xml_events events = {&reading, on_element, on_element_end, on_text};

    *fault = (struct soap_fault){0};
    if (xml_document_read(data, size, &limits, &events, NULL) < 0 && reading.answer == SOAP_NO_ENVELOPE)
        return SOAP_NO_ENVELOPE;
    tidy(fault->code, sizeof fault->code);
    tidy(fault->subcode, sizeof fault->subcode);
    tidy(fault->reason, sizeof fault->reason);
    drop_prefix(fault->code);
    drop_prefix(fault->subcode);
    return reading.answer;
}
