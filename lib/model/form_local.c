/*
 * form_local - file, exec and null: what happens on this machine
 *
 * Paths and commands are the operator's alone, and what a placeholder brings in stays one component of the
 * path or one argument.
 */
#include "placeholders.h"
#include "form_parts.h"
#include <ctype.h>
#include <stdint.h>
#include "num.h"

enum {
    MODE_DEFAULT = 0640,
    FOLDER_MODE_DEFAULT = 0750,
    UMASK_DEFAULT = 0077,
    OWNER_SIZE = 32, /* of a name, as useradd has it */
    OPEN_FILES_DEFAULT = 1024,
    OPEN_FILES_LEAST = 5, /* those that a command is given, and one of its own */
    OPEN_FILES_MOST = 1024 * 1024,
    CPU_MOST_S = 24 * 60 * 60,
    PROCESSES_MOST = 1024 * 1024,
    VARIABLES_MAX = 64,
    ARGUMENTS_MAX = 256,
    ARGUMENT_SIZE = 4096,
    PATH_SIZE = 4095 /* Linux's PATH_MAX without the NUL */
};

/* In the order of enum file_sync. */
static const char *const sync_words[] = {"full", "file", "none", NULL};

static void file_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    const struct json_field fields[] = {
        {.name = "path",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &form->destination->path,
         .min = 2,
         .max = PATH_SIZE},
        {.name = "mode", .kind = JSON_KIND_STRING, .target = &form->mode},
        {.name = "sync", .kind = JSON_KIND_WORD, .target = &form->sync, .words = sync_words},
        {.name = "owner",
         .kind = JSON_KIND_STRING,
         .target = &form->destination->owner.name,
         .min = 1,
         .max = OWNER_SIZE},
        {.name = "group",
         .kind = JSON_KIND_STRING,
         .target = &form->destination->group.name,
         .min = 1,
         .max = OWNER_SIZE},
        {.name = "make_folders", .kind = JSON_KIND_BOOL, .target = &form->destination->make_folders},
        {.name = "folder_mode", .kind = JSON_KIND_STRING, .target = &form->folder_mode},
        {0},
    };
    form_add_fields(out, fields);
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

bool form_path_is_plain(const char *path)
{
    if (*path != '/' || has_control(path))
        return false;
    while (*path == '/') {
        const char *component = ++path;
        path += strcspn(path, "/");
        size_t size = (size_t)(path - component);
        if (size == 0 || (size <= 2 && strspn(component, ".") >= size))
            return false;
    }
    return true;
}

/* "640" or "0640": set-id and sticky bits are not taken. */
static int read_mode(const char *mode, int64_t *bits)
{
    size_t size = strlen(mode);
    if (strspn(mode, "01234567") != size || (size != 3 && (size != 4 || *mode != '0')))
        return -1;
    for (*bits = 0; *mode; mode++)
        *bits = *bits * 8 + (*mode - '0');
    return 0;
}

static int check_mode(const char *path, const char *text, int64_t *bits, struct fault *fault)
{
    if (!text || read_mode(text, bits) == 0)
        return 0;
    return fault_set(fault, FAULT_INPUT, "%s: permission bits as \"0640\" are wanted", path);
}

/* An id in digits is known here; a name is looked up later (file_owner.h). */
static int check_owner(const char *path, struct file_owner *owner, struct fault *fault)
{
    const char *name = owner->name;
    int64_t id;

    if (!name)
        return 0;
    if (num_parse_int(name, 0, UINT32_MAX - 1L, &id, NULL) == 0) { /* the last one is no id */
        owner->id = (unsigned)id;
        owner->known = true;
    } else if (!isalpha((unsigned char)*name) && *name != '_') {
        return fault_set(fault, FAULT_INPUT, "%s: a name or an id is wanted", path);
    }
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("._-$", *name))
            return fault_set(fault, FAULT_INPUT, "%s: a name or an id is wanted", path);
    return 0;
}

static int file_check(struct form *form, struct fault *fault)
{
    struct destination *destination = form->destination;
    destination->mode = MODE_DEFAULT;
    destination->folder_mode = FOLDER_MODE_DEFAULT;
    for (int word = 0; form->sync && sync_words[word]; word++)
        if (form->sync == sync_words[word])
            destination->sync = (enum file_sync)word;
    if (!form_path_is_plain(destination->path))
        return fault_set(
            fault, FAULT_INPUT,
            "/path: an absolute path to a file is wanted, without \".\", \"..\" and empty components");
    if (check_mode("/mode", form->mode, &destination->mode, fault) ||
        check_mode("/folder_mode", form->folder_mode, &destination->folder_mode, fault) ||
        check_owner("/owner", &destination->owner, fault) ||
        check_owner("/group", &destination->group, fault))
        return -1;
    if (form->folder_mode && !destination->make_folders)
        return fault_set(fault, FAULT_INPUT, "/folder_mode: is for \"make_folders\"");
    return placeholders_check_public(destination->path, "/path", fault);
}

static void exec_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    const struct json_field fields[] = {
        {.name = "command",
         .kind = JSON_KIND_ARRAY,
         .required = true,
         .target = &form->destination->command,
         .min = 1,
         .max = ARGUMENTS_MAX},
        {.name = "folder",
         .kind = JSON_KIND_STRING,
         .target = &form->destination->folder,
         .min = 1,
         .max = PATH_SIZE},
        {.name = "environment", .kind = JSON_KIND_STRINGS, .target = &form->destination->environment},
        {.name = "umask", .kind = JSON_KIND_STRING, .target = &form->umask},
        {.name = "limits", .kind = JSON_KIND_OBJECT, .target = &form->limits},
        {0},
    };
    form_add_fields(out, fields);
}

static int check_limits(const struct form *form, struct fault *fault)
{
    struct exec_limits *limits = &form->destination->limits;
    const int64_t least = 64 * 1024, most = (int64_t)1 << 50;
    const struct json_field fields[] = {
        {.name = "cpu", .kind = JSON_KIND_INT, .target = &limits->cpu_s, .min = 1, .max = CPU_MOST_S},
        {.name = "memory", .kind = JSON_KIND_INT, .target = &limits->memory, .min = least, .max = most},
        {.name = "file_size", .kind = JSON_KIND_INT, .target = &limits->file_size, .min = 1, .max = most},
        {.name = "open_files",
         .kind = JSON_KIND_INT,
         .target = &limits->open_files,
         .min = OPEN_FILES_LEAST,
         .max = OPEN_FILES_MOST},
        {.name = "processes",
         .kind = JSON_KIND_INT,
         .target = &limits->processes,
         .min = 1,
         .max = PROCESSES_MOST},
        {0},
    };

    limits->open_files = OPEN_FILES_DEFAULT;
    return form->limits ? json_fields(form->limits, "/limits", fields, fault) : 0;
}

/* Ours are not to be overwritten: the command relies on them. */
static bool is_variable(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return false;
    return strncmp(name, "DIST_", 5) != 0;
}

static int check_environment(const json_t *environment, struct fault *fault)
{
    const char *name;
    json_t *value;

    if (json_object_size(environment) > VARIABLES_MAX)
        return fault_set(fault, FAULT_INPUT, "/environment: at most %d variables are taken", VARIABLES_MAX);
    json_object_foreach ((json_t *)environment, name, value) {
        char path[100];
        snprintf(path, sizeof path, "/environment/%.60s", name);
        if (!is_variable(name))
            return fault_set(fault, FAULT_INPUT,
                             "%s: letters, digits and '_' are wanted, and not DIST_ in front", path);
        if (json_string_length(value) > ARGUMENT_SIZE)
            return fault_set(fault, FAULT_INPUT, "%s: a string of at most %d bytes is wanted", path,
                             ARGUMENT_SIZE);
        if (placeholders_check_public(json_string_value(value), path, fault))
            return -1;
    }
    return 0;
}

static int exec_check(struct form *form, struct fault *fault)
{
    struct destination *destination = form->destination;
    json_t *command = form->destination->command;
    if (form->destination->credentials)
        return fault_set(fault, FAULT_INPUT, "/credentials: a command is not handed any secret");
    for (size_t i = 0; i < json_array_size(command); i++) {
        const char *argument = json_string_value(json_array_get(command, i));
        char path[32];
        snprintf(path, sizeof path, "/command/%zu", i);
        if (!argument || strlen(argument) > ARGUMENT_SIZE)
            return fault_set(fault, FAULT_INPUT, "%s: a string of at most %d bytes is wanted", path,
                             ARGUMENT_SIZE);
        if (i == 0 && (!form_path_is_plain(argument) || strchr(argument, '{')))
            return fault_set(fault, FAULT_INPUT,
                             "%s: the absolute path of a program is wanted, without placeholders", path);
        if (i > 0 && placeholders_check_public(argument, path, fault))
            return -1;
    }
    destination->umask = UMASK_DEFAULT;
    if (!destination->folder)
        destination->folder = "/";
    else if (strcmp(destination->folder, "/") != 0 && !form_path_is_plain(destination->folder))
        return fault_set(fault, FAULT_INPUT, "/folder: the absolute path of a folder is wanted");
    if (check_mode("/umask", form->umask, &destination->umask, fault) || check_limits(form, fault))
        return -1;
    return check_environment(destination->environment, fault);
}

static void null_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    (void)form;
    out[0] = (struct json_field){0};
}

static const struct form_help file_help[] = {
    {"path", "\"/var/lib/dist/{tenant_id}/{date}-{delivery_id}.json\"",
     "an absolute path with placeholders (required)"},
    {"mode", "\"0640\"", "permission bits in octal; default: \"0640\""},
    {"sync", NULL,
     "what is on the disk before a report counts as delivered: full (the file and its name), file, none; "
     "default: full"},
    {"owner", NULL, "the user that files are given to, name or id; needs root; default: who writes"},
    {"group", NULL, "the group that files are given to, name or id; default: that of who writes"},
    {"make_folders", NULL, "true: folders that are not there are made; default: false, they must be there"},
    {"folder_mode", NULL, "permission bits of folders that are made; default: \"0750\""},
    {0},
};
static const struct form_help exec_help[] = {
    {"command", "[\"/usr/bin/lp\", \"-t\", \"{data_type} {date}\"]",
     "an absolute path and arguments with placeholders; the body is on standard input (required)"},
    {"folder", NULL, "where it runs, an absolute path; default: /"},
    {"environment", NULL, "object of further variables, with placeholders; default: none"},
    {"umask", NULL, "in octal; default: \"0077\""},
    {"limits", NULL,
     "object of cpu (seconds), memory, file_size (bytes), open_files, processes; default: open_files 1024"},
    {0},
};
static const struct form_help null_help[] = {{0}};

const struct form_kind form_file = {
    .operator_only = true, .fields = file_fields, .check = file_check, .help = file_help};
const struct form_kind form_exec = {
    .operator_only = true, .fields = exec_fields, .check = exec_check, .help = exec_help};
const struct form_kind form_null = {.fields = null_fields, .help = null_help};
