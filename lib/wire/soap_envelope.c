/*
 * soap_envelope - see soap_envelope.h
 *
 * libxml2 says what the beginning means: which elements these are, by their namespaces. Where they are is
 * found by a scan of the same bytes, which may be simple since libxml2 took them: no DOCTYPE, every quote
 * closed, and an encoding in which markup is ASCII. Hard rule: the scan never looks at a byte that libxml2
 * was not given.
 */
#include "soap_envelope.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "text.h"
#include "xalloc.h"
#include "xml_document.h"

enum { FRAME_MAX = 1000 /* bytes of all tags that are put around a report */ };

static const struct xml_limits limits = {.max_nodes = 100000, .max_depth = 100};

const char *const soap_versions[] = {"1.1", "1.2"};
const char *const soap_namespaces[] = {"http://schemas.xmlsoap.org/soap/envelope/",
                                       "http://www.w3.org/2003/05/soap-envelope"};

static bool same(const xmlChar *text, const char *word)
{
    return text && strcmp((const char *)text, word) == 0;
}

/* --- what it means ------------------------------------------------------------------------------------- */

struct reading {
    enum soap_version version;
    const char *blocks;
    int depth;
    bool done; /* nothing more needs to be read */
    bool is_envelope, has_header;
    char why[100]; /* it is not taken */
};

/* Ends the reading, which is no mistake. */
static const char *enough(struct reading *reading)
{
    reading->done = true;
    return "enough";
}

static const char *on_root(struct reading *reading, const struct xml_start *start)
{
    const char *own = soap_namespaces[reading->version];
    enum soap_version other = reading->version == SOAP_1_1 ? SOAP_1_2 : SOAP_1_1;

    if (!same(start->name, "Envelope"))
        return enough(reading);
    if (same(start->uri, soap_namespaces[other])) {
        snprintf(reading->why, sizeof reading->why,
                 "it is an envelope of SOAP %s, and SOAP %s is spoken there", soap_versions[other],
                 soap_versions[reading->version]);
        return reading->why;
    }
    reading->is_envelope = same(start->uri, own);
    return reading->is_envelope && *reading->blocks ? NULL : enough(reading);
}

/* Two blocks of one kind would leave it to the receiver which one counts. */
static const char *on_block(struct reading *reading, const struct xml_start *start)
{
    const char *uri = start->uri ? (const char *)start->uri : "";
    bool taken = strcmp(uri, SOAP_ADDRESSING_NAMESPACE) == 0 ||
                 (strcmp(uri, SOAP_SECURITY_NAMESPACE) == 0 && same(start->name, "Security"));

    if (!taken || !strstr(reading->blocks, uri))
        return NULL;
    snprintf(reading->why, sizeof reading->why, "the header of the envelope has a '%.30s' of its own",
             (const char *)start->name);
    return text_printable(reading->why);
}

static const char *on_element(void *arg, const struct xml_start *start)
{
    struct reading *reading = arg;

    reading->depth++;
    if (reading->depth == 1)
        return on_root(reading, start);
    if (reading->depth == 2 && same(start->name, "Header") &&
        same(start->uri, soap_namespaces[reading->version])) {
        reading->has_header = true;
        return NULL;
    }
    if (reading->depth == 2)
        return enough(reading);
    return reading->depth == 3 ? on_block(reading, start) : NULL;
}

static const char *on_element_end(void *arg, const struct xml_start *start)
{
    struct reading *reading = arg;

    (void)start;
    reading->depth--;
    return reading->depth == 1 ? enough(reading) : NULL;
}

static const char *on_text(void *arg, const xmlChar *text, int size)
{
    (void)arg;
    (void)text;
    (void)size;
    return NULL;
}

static int read_head(struct reading *reading, const char *head, size_t size, bool cut, struct fault *fault)
{
    const struct xml_events events = {reading, on_element, on_element_end, on_text};

    int result = xml_document_read(head, size, &limits, &events, fault);
    if (reading->done) {
        fault_clear(fault);
        return 0;
    }
    if (cut && !reading->why[0])
        return fault_set(fault, FAULT_INPUT, "the body of the envelope does not begin within %d bytes",
                         SOAP_HEAD_MAX);
    return result ? -1 : fault_set(fault, FAULT_INPUT, "an envelope without a body");
}

/* --- where it is --------------------------------------------------------------------------------------- */

struct cursor {
    const char *at, *end;
};

struct tag {
    const char *begin, *name, *name_end, *end; /* of "<e:Header a='>'/>" */
    bool is_empty;
};

static bool skip(struct cursor *cursor, const char *opening, const char *closing)
{
    const size_t size = strlen(opening);

    if ((size_t)(cursor->end - cursor->at) < size || memcmp(cursor->at, opening, size) != 0)
        return false;
    const char *found =
        memmem(cursor->at + size, (size_t)(cursor->end - cursor->at) - size, closing, strlen(closing));
    cursor->at = found ? found + strlen(closing) : cursor->end;
    return true;
}

static bool scan_tag(struct cursor *cursor, struct tag *tag)
{
    char quote = '\0';

    *tag = (struct tag){.begin = cursor->at, .name = cursor->at + 1};
    for (const char *c = tag->name; c < cursor->end; c++) {
        if (!tag->name_end && strchr("\t\r\n />", *c))
            tag->name_end = c;
        if (quote ? *c == quote : *c == '"' || *c == '\'')
            quote = quote ? '\0' : *c;
        else if (*c == '>' && !quote) {
            tag->end = cursor->at = c + 1;
            tag->is_empty = c[-1] == '/';
            return true;
        }
    }
    return false;
}

/* The next start tag, behind texts, comments and instructions. */
static bool next_tag(struct cursor *cursor, struct tag *tag)
{
    while (cursor->at < cursor->end) {
        if (*cursor->at != '<') {
            const char *found = memchr(cursor->at, '<', (size_t)(cursor->end - cursor->at));
            cursor->at = found ? found : cursor->end;
        } else if (!skip(cursor, "<!--", "-->") && !skip(cursor, "<![CDATA[", "]]>") &&
                   !skip(cursor, "<?", "?>")) {
            return cursor->end - cursor->at > 1 && cursor->at[1] != '/' && scan_tag(cursor, tag);
        }
    }
    return false;
}

/* --- its encoding -------------------------------------------------------------------------------------- */

/* The value of encoding="..." in the declaration, "" where there is none; the cursor goes behind it. */
static void read_declaration(struct cursor *cursor, char encoding[SOAP_ENCODING_SIZE])
{
    struct cursor behind = *cursor;

    encoding[0] = '\0';
    if (cursor->end - cursor->at < 6 || !strchr("\t\r\n ", cursor->at[5]) || !skip(&behind, "<?xml", "?>"))
        return;
    char *text = xmemdupz(cursor->at, (size_t)(behind.at - cursor->at));
    const char *value = strstr(text, "encoding");
    value = value ? value + strcspn(value, "\"'") : "";
    if (*value)
        snprintf(encoding, SOAP_ENCODING_SIZE, "%.*s", (int)strcspn(value + 1, "\"'"), value + 1);
    free(text);
    *cursor = behind;
}

/* UTF-16, by its mark or by the first '<'. */
static bool is_wide(const unsigned char *at)
{
    return (at[0] == 0xff && at[1] == 0xfe) || (at[0] == 0xfe && at[1] == 0xff) || !at[0] || !at[1];
}

/*
 * Sets the encoding, and `named` where a declaration of it must be put in front before it is read. The cursor
 * goes to what follows mark and declaration. What libxml2 does not take it refuses itself.
 */
static int find_encoding(const struct soap_report *report, struct cursor *cursor,
                         char encoding[SOAP_ENCODING_SIZE], bool *named, struct fault *fault)
{
    static const char mark[] = "\xef\xbb\xbf";
    const char *charset = report->charset ? report->charset : "";
    bool marked = cursor->end - cursor->at >= 3 && memcmp(cursor->at, mark, 3) == 0;
    if (marked)
        cursor->at += 3;
    bool wide = cursor->end - cursor->at >= 2 && is_wide((const unsigned char *)cursor->at);
    read_declaration(cursor, encoding);
    *named = !encoding[0] && !marked && *charset && strcasecmp(charset, "utf-8") != 0;
    if (*named)
        text_copy(encoding, SOAP_ENCODING_SIZE, charset);
    if (!encoding[0])
        text_copy(encoding, SOAP_ENCODING_SIZE, "utf-8");
    if (wide || strncasecmp(encoding, "utf-16", 6) == 0)
        return fault_set(
            fault, FAULT_INPUT,
            "it is in UTF-16, which is taken by \"format\" alone: \"input\": \"xml\", \"format\": "
            "\"soap\"");
    if (report->size && memchr(report->data, '\0', report->size)) /* libxml2 takes it for the end */
        return fault_set(fault, FAULT_INPUT, "there is a NUL in it");
    return 0;
}

/* --- the envelope -------------------------------------------------------------------------------------- */

static void add_bytes(struct buf *out, const char *from, const char *to)
{
    buf_add(out, from, (size_t)(to - from));
}

static void wrap(struct soap_envelope *envelope, const char *from, const char *to, enum soap_version version,
                 const char *blocks)
{
    struct buf *out = &envelope->made;

    while (to > from && strchr("\t\r\n ", to[-1]) && to[-1])
        to--;
    buf_addf(out, "<?xml version=\"1.0\" encoding=\"%s\"?>\n", envelope->encoding);
    buf_addf(out, "<soap:Envelope xmlns:soap=\"%s\">", soap_namespaces[version]);
    if (*blocks)
        buf_addf(out, "<soap:Header>%s</soap:Header>", blocks);
    buf_adds(out, "<soap:Body>");
    add_bytes(out, from, to);
    buf_adds(out, "</soap:Body></soap:Envelope>");
}

/* `root` and the start tag behind it, which is that of the header where there is one. */
static void splice(struct soap_envelope *envelope, const struct soap_report *report, const struct tag *root,
                   const struct tag *first, bool has_header, const char *blocks)
{
    const char *begin = report->data, *end = begin + report->size;
    const char *colon = memchr(root->name, ':', (size_t)(root->name_end - root->name));
    int prefix = colon ? (int)(colon + 1 - root->name) : 0;
    int name = (int)(first->name_end - first->name);
    struct buf *out = &envelope->made;

    if (!has_header) {
        add_bytes(out, begin, first->begin);
        buf_addf(out, "<%.*sHeader>%s</%.*sHeader>", prefix, root->name, blocks, prefix, root->name);
        add_bytes(out, first->begin, end);
    } else if (first->is_empty) {
        add_bytes(out, begin, first->end - 2);
        buf_addf(out, ">%s</%.*s>", blocks, name, first->name);
        add_bytes(out, first->end, end);
    } else {
        add_bytes(out, begin, first->end);
        buf_adds(out, blocks);
        add_bytes(out, first->end, end);
    }
}

static int make(const struct soap_report *report, const struct reading *reading, struct cursor cursor,
                struct soap_envelope *envelope, struct fault *fault)
{
    const char *end = (const char *)report->data + report->size;
    struct tag root, first;

    if (!next_tag(&cursor, &root))
        return fault_set(fault, FAULT_INPUT, "there is no element in it");
    if (!reading->is_envelope) {
        buf_init(&envelope->made, report->size + strlen(reading->blocks) + FRAME_MAX);
        wrap(envelope, root.begin, end, reading->version, reading->blocks);
    } else if (*reading->blocks) {
        if (root.is_empty || !next_tag(&cursor, &first))
            return fault_set(fault, FAULT_INPUT, "an envelope without a body");
        /* The name of an element is there twice more where a header is opened. */
        buf_init(&envelope->made, report->size + strlen(reading->blocks) + FRAME_MAX +
                                      2 * (size_t)(root.name_end - root.name) +
                                      (size_t)(first.name_end - first.name));
        splice(envelope, report, &root, &first, reading->has_header, reading->blocks);
    } else {
        envelope->data = report->data;
        envelope->size = report->size;
        return 0;
    }
    if (envelope->made.overflow)
        return fault_set(fault, FAULT_BUG, "the envelope is larger than was thought");
    envelope->data = envelope->made.data;
    envelope->size = envelope->made.len;
    return 0;
}

int soap_envelope_make(const struct soap_report *report, enum soap_version version, const char *blocks,
                       struct soap_envelope *envelope, struct fault *fault)
{
    const char *data = report->data;
    const size_t size = report->size < SOAP_HEAD_MAX ? report->size : SOAP_HEAD_MAX;
    struct cursor cursor = {data, data + size};
    struct reading reading = {.version = version, .blocks = blocks};
    struct fault problem = {0};
    struct buf declared;
    bool named;

    *envelope = (struct soap_envelope){0};
    if (find_encoding(report, &cursor, envelope->encoding, &named, fault))
        return -1;
    buf_init(&declared, SOAP_HEAD_MAX + FRAME_MAX);
    if (named) {
        buf_addf(&declared, "<?xml version=\"1.0\" encoding=\"%s\"?>", envelope->encoding);
        add_bytes(&declared, cursor.at, cursor.end);
    }
    int result = read_head(&reading, named ? declared.data : data, named ? declared.len : size,
                           report->size > size, &problem);
    buf_release(&declared);
    if (result == 0)
        result = make(report, &reading, cursor, envelope, &problem);
    if (result == 0)
        return 0;
    soap_envelope_release(envelope);
    return fault_set(fault, problem.class, "%s", reading.why[0] ? reading.why : problem.text);
}

void soap_envelope_release(struct soap_envelope *envelope)
{
    if (envelope->made.len)
        explicit_bzero(envelope->made.data, envelope->made.len);
    buf_release(&envelope->made);
    *envelope = (struct soap_envelope){0};
}
