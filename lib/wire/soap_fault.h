/*
 * soap_fault - whether an answer is a SOAP fault, and what it says
 *
 *   1.1   <Fault><faultcode>soap:Server.Busy</faultcode><faultstring>later</faultstring></Fault>
 *   1.2   <Fault><Code><Value>env:Receiver</Value><Subcode><Value>m:Busy</Value></Subcode></Code>
 *                <Reason><Text xml:lang="en">later</Text></Reason></Fault>
 *
 * A fault is the first element in the Body of an envelope of either version, and may be written in the manner
 * of either: servers mix them. Codes are local names: their prefixes are often not declared. What was read
 * before a document breaks off counts. By libxml2 under its limits (xml_document.h). Does not block.
 */
#ifndef DIST_SOAP_FAULT_H
#define DIST_SOAP_FAULT_H

#include <stddef.h>

enum { SOAP_CODE_SIZE = 100, SOAP_REASON_SIZE = 300 };

enum soap_answer {
    SOAP_NO_ENVELOPE, /* no XML, or other XML */
    SOAP_REPLY,       /* an envelope whose body begins with something else, or with nothing */
    SOAP_FAULT
};

/* Printable lines, cut to fit, "" where there is none. */
struct soap_fault {
    char code[SOAP_CODE_SIZE];    /* "Server.Busy", "Receiver" */
    char subcode[SOAP_CODE_SIZE]; /* "Busy": the first one that is not empty */
    char reason[SOAP_REASON_SIZE];
};

enum soap_answer soap_fault_read(const void *data, size_t size, struct soap_fault *fault);

#endif
