/*
 * soap: a version, a charset, and a document. As an answer it is read for a fault, whose texts are printable
 * and of bounded size. As a report it becomes an envelope, which is XML where the report is, and is sent as
 * it is where nothing is added to an envelope.
 */
#include <string.h>
#include "parts.h"
#include "soap_envelope.h"
#include "soap_fault.h"
#include "text.h"
#include "xml_document.h"

static const struct xml_limits limits = {.max_nodes = 100000, .max_depth = 90};

static bool is_document(const char *text, size_t size)
{
    xmlDoc *document = xml_document(text, size, NULL, &limits, NULL);

    xmlFreeDoc(document);
    return document != NULL;
}

static void assert_line(const char *text, size_t size)
{
    HOLDS(strlen(text) < size && text_is_utf8(text, strlen(text), NULL));
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        HOLDS(*c >= ' ' && *c != 0x7f);
}

static void read_answer(const char *text, size_t size)
{
    struct soap_fault said;
    enum soap_answer answer = soap_fault_read(text, size, &said);

    assert_line(said.code, sizeof said.code);
    assert_line(said.subcode, sizeof said.subcode);
    assert_line(said.reason, sizeof said.reason);
    HOLDS(!strchr(said.code, ':') && !strchr(said.subcode, ':'));
    HOLDS(answer == SOAP_FAULT || (!said.code[0] && !said.subcode[0] && !said.reason[0]));
}

static void make_envelope(const struct soap_report *report, enum soap_version version, const char *blocks)
{
    struct soap_envelope envelope;
    struct fault fault = {0};

    if (soap_envelope_make(report, version, blocks, &envelope, &fault)) {
        HOLDS(fault.class == FAULT_INPUT && fault.text[0]);
        return;
    }
    HOLDS(envelope.size >= report->size || envelope.made.len > 0);
    /* A charset beside the document is told by the content type, which is not there when it is read again. */
    if (!*report->charset && is_document(report->data, report->size))
        HOLDS(is_document(envelope.data, envelope.size));
    soap_envelope_release(&envelope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char block[] = "<s:Security xmlns:s=\"" SOAP_SECURITY_NAMESPACE "\"/>";
    struct parts parts;

    parts_split(&parts, 3, data, size);
    char *version = parts_string(&parts, 0), *charset = parts_string(&parts, 1);
    const struct soap_report report = {
        .data = parts.items[2].text, .size = parts.items[2].size, .charset = charset};
    enum soap_version spoken = strcmp(version, "1.1") == 0 ? SOAP_1_1 : SOAP_1_2;
    read_answer(report.data, report.size);
    make_envelope(&report, spoken, "");
    make_envelope(&report, spoken, block);
    free(version);
    free(charset);
    parts_release(&parts);
    return 0;
}
