/*
 * form_tls - whom to trust and who we are, of protocols with a connection
 *
 * There is no member that turns verification off: who has an authority of his own names it.
 */
#include "form_parts.h"

enum { PATH_SIZE = 4095 /* Linux's PATH_MAX without the NUL */ };

static int check_path(const char *name, const char *path, struct fault *fault)
{
    if (path && !form_path_is_plain(path))
        return fault_set(fault, FAULT_INPUT, "/tls/%s: the absolute path of a PEM file is wanted", name);
    return 0;
}

int form_check_tls(const struct form *form, bool encrypted, bool named, struct fault *fault)
{
    struct destination *destination = form->destination;
    const char *server_name = NULL;
    struct json_field fields[] = {
        {.name = "ca_file", .kind = JSON_KIND_STRING, .target = &destination->ca_file, .max = PATH_SIZE},
        {.name = "cert_file", .kind = JSON_KIND_STRING, .target = &destination->cert_file, .max = PATH_SIZE},
        {.name = "key_file", .kind = JSON_KIND_STRING, .target = &destination->key_file, .max = PATH_SIZE},
        {.name = "server_name", .kind = JSON_KIND_STRING, .target = &server_name},
        {0},
    };

    if (!form->tls)
        return 0;
    if (!named)
        fields[3] = (struct json_field){0};
    if (destination->tenant)
        return fault_set(fault, FAULT_DENIED,
                         "/tls: only the operator names files, in a configured destination");
    if (json_fields(form->tls, "/tls", fields, fault) || check_path("ca_file", destination->ca_file, fault) ||
        check_path("cert_file", destination->cert_file, fault) ||
        check_path("key_file", destination->key_file, fault))
        return -1;
    if (!encrypted)
        return fault_set(fault, FAULT_INPUT, "/tls: the connection is not encrypted");
    if (destination->key_file && !destination->cert_file)
        return fault_set(fault, FAULT_INPUT, "/tls/key_file: a key without \"cert_file\"");
    if (server_name && !form_host_is_valid(server_name, strlen(server_name)))
        return fault_set(fault, FAULT_INPUT, "/tls/server_name: the name of a host is wanted");
    destination->tls_name = server_name;
    return 0;
}
