/*
 * namenode - see namenode.h
 */
#include "namenode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fdio.h"
#include "little_http.h"
#include "xalloc.h"

enum { LOG_MAX = 1024 * 1024, FILE_MAX = 64 * 1024 * 1024, COMPONENT_MAX = 255 };

static void refuse(struct little_answer *answer, int status, const char *exception, const char *message)
{
    answer->status = status;
    buf_adds(&answer->head, "Content-Type: application/json\r\n");
    buf_addf(
        &answer->body,
        "{\"RemoteException\":{\"exception\":\"%s\",\"javaClassName\":\"org.apache.hadoop.%s\",\"message\":"
        "\"%s\"}}",
        exception, exception, message);
}

static void say_boolean(struct little_answer *answer, bool value)
{
    buf_addf(&answer->body, "{\"boolean\":%s}", value ? "true" : "false");
}

static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

/* What an operation gets. */
struct operation {
    const struct namenode *namenode;
    const struct little_request *request;
    char *local; /* the path on this machine */
};

static void get_status(struct operation *operation, struct little_answer *answer)
{
    struct stat stat_;

    if (stat(operation->local, &stat_) < 0) {
        refuse(answer, 404, "FileNotFoundException", "File does not exist");
        return;
    }
    buf_addf(
        &answer->body,
        "{\"FileStatus\":{\"blockSize\":134217728,\"length\":%lld,\"owner\":\"dist\",\"pathSuffix\":\"\","
        "\"permission\":\"%o\",\"type\":\"%s\"}}",
        S_ISDIR(stat_.st_mode) ? 0LL : (long long)stat_.st_size, stat_.st_mode & 0777,
        S_ISDIR(stat_.st_mode) ? "DIRECTORY" : "FILE");
}

static void write_file(struct operation *operation, struct little_answer *answer)
{
    char *overwrite = little_parameter(operation->request->query, "overwrite");
    char *permission = little_parameter(operation->request->query, "permission");
    bool replace = overwrite && strcmp(overwrite, "true") == 0;

    make_folders(operation->local);
    int fd = open(operation->local, O_WRONLY | O_CREAT | O_CLOEXEC | (replace ? O_TRUNC : O_EXCL), 0644);
    if (fd < 0 && errno == EEXIST) {
        refuse(answer, 403, "FileAlreadyExistsException", "already exists");
    } else if (fd < 0) {
        refuse(answer, 403, "ParentNotDirectoryException", "not a directory");
    } else {
        if (permission)
            fchmod(fd, (mode_t)strtol(permission, NULL, 8));
        answer->status =
            fdio_write_all(fd, operation->request->body, operation->request->body_size, NULL) == 0 ? 201
                                                                                                   : 500;
        close(fd);
    }
    free(overwrite);
    free(permission);
}

static void read_file(struct operation *operation, struct little_answer *answer)
{
    struct buf text;

    if (fdio_read_file(operation->local, FILE_MAX, &text, NULL) < 0)
        refuse(answer, 404, "FileNotFoundException", "File does not exist");
    else
        buf_add(&answer->body, text.data, text.len);
    buf_release(&text);
}

static void rename_file(struct operation *operation, struct little_answer *answer)
{
    char *path = little_parameter(operation->request->query, "destination");
    char *local = xasprintf("%s%s", operation->namenode->folder, path ? path : "");
    const char *name = path ? strrchr(path, '/') : NULL;
    struct stat stat_;

    if (name && strlen(name + 1) > COMPONENT_MAX) {
        refuse(answer, 403, "PathComponentTooLongException", "The maximum path component name limit");
    } else {
        if (stat(local, &stat_) == 0 && S_ISDIR(stat_.st_mode)) { /* into it, as mv does */
            char *inside = xasprintf("%s%s", local, strrchr(operation->local, '/'));
            free(local);
            local = inside;
        }
        say_boolean(answer, access(local, F_OK) < 0 && rename(operation->local, local) == 0);
    }
    free(path);
    free(local);
}

static void delete_file(struct operation *operation, struct little_answer *answer)
{
    say_boolean(answer, unlink(operation->local) == 0);
}

static const struct {
    const char *name, *method;
    void (*run)(struct operation *operation, struct little_answer *answer);
    bool datanode;
} operations[] = {
    {"GETFILESTATUS", "GET", get_status, false},
    {"CREATE", "PUT", write_file, true},
    {"OPEN", "GET", read_file, true},
    {"RENAME", "PUT", rename_file, false},
    {"DELETE", "DELETE", delete_file, false},
};

static bool is_failing(struct namenode *namenode, const char *name, struct little_answer *answer)
{
    if (!namenode->failing || namenode->times == 0 || strcmp(namenode->failing, name) != 0)
        return false;
    namenode->times -= namenode->times > 0;
    answer->drop = namenode->drop;
    answer->hang = namenode->hang;
    if (namenode->exception)
        refuse(answer, namenode->status, namenode->exception, "it says so");
    else if (namenode->body)
        buf_adds(&answer->body, namenode->body);
    if (namenode->status)
        answer->status = namenode->status;
    return true;
}

static bool is_let_in(const struct namenode *namenode, const char *query)
{
    char *token = little_parameter(query, "delegation"), *user = little_parameter(query, "user.name");
    bool good = namenode->token ? token && strcmp(token, namenode->token) == 0 : user != NULL;

    free(token);
    free(user);
    return good;
}

static void serve(struct namenode *namenode, bool at_datanode, const struct little_request *request,
                  struct little_answer *answer)
{
    static const char root[] = "/webhdfs/v1";
    char *op = little_parameter(request->query, "op"), *user = little_parameter(request->query, "user.name");
    char *path = strncmp(request->path, root, sizeof root - 1) == 0
                     ? little_decode(request->path + sizeof root - 1, strlen(request->path) - sizeof root + 1)
                     : xstrdup("?");
    char *name = xasprintf("%s%s", at_datanode ? "DATA " : "", op ? op : "?");
    struct operation operation = {namenode, request, xasprintf("%s%s", namenode->folder, path)};
    size_t i = 0;

    buf_addf(&namenode->log, "%s %s user=%s\n", name, path, user ? user : "-");
    while (i < sizeof operations / sizeof *operations && (!op || strcasecmp(operations[i].name, op) != 0 ||
                                                          strcmp(operations[i].method, request->method) != 0))
        i++;
    if (is_failing(namenode, name, answer))
        ;
    else if (i == sizeof operations / sizeof *operations)
        refuse(answer, 400, "IllegalArgumentException", "Invalid value for webhdfs parameter \\\"op\\\"");
    else if (!is_let_in(namenode, request->query))
        refuse(answer, namenode->token ? 403 : 401, namenode->token ? "InvalidToken" : "SecurityException",
               "Failed to obtain user group information");
    else if (operations[i].datanode && !at_datanode) {
        char *own = xasprintf("http://127.0.0.1:%d", little_http_port(namenode->data));
        answer->status = 307;
        buf_addf(&answer->head, "Location: %s%s?%s\r\n", namenode->location ? namenode->location : own,
                 request->path, request->query);
        free(own);
    } else
        operations[i].run(&operation, answer);
    free(operation.local);
    free(name);
    free(path);
    free(user);
    free(op);
}

static void on_names(void *arg, const struct little_request *request, struct little_answer *answer)
{
    serve(arg, false, request, answer);
}

static void on_data(void *arg, const struct little_request *request, struct little_answer *answer)
{
    serve(arg, true, request, answer);
}

int namenode_start(struct namenode *namenode, struct event_base *base, const char *folder, int port,
                   int data_port)
{
    *namenode = (struct namenode){.folder = folder};
    buf_init(&namenode->log, LOG_MAX);
    namenode->names = little_http_new(base, port, on_names, namenode);
    namenode->data = little_http_new(base, data_port, on_data, namenode);
    if (namenode->names && namenode->data)
        return 0;
    namenode_stop(namenode);
    return -1;
}

void namenode_stop(struct namenode *namenode)
{
    little_http_free(namenode->names);
    little_http_free(namenode->data);
    buf_release(&namenode->log);
    namenode->names = namenode->data = NULL;
}

int namenode_port(const struct namenode *namenode)
{
    return little_http_port(namenode->names);
}
