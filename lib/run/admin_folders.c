/*
 * admin_folders - see admin.h: the configuration folder
 *
 * What is there stays as it is. The modes are set explicitly, since the tools run with a mask that keeps
 * others away from reports: destinations are for everybody to read, settings and credentials are not.
 */
#include "admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "fdio.h"
#include "msg.h"
#include "xalloc.h"

static int make_folder(const char *path, mode_t mode, struct fault *fault)
{
    if (mkdir(path, mode) < 0)
        return errno == EEXIST ? 0 : fault_errno(fault, errno, "cannot make %s", path);
    if (chmod(path, mode) < 0)
        return fault_errno(fault, errno, "cannot set the mode of %s", path);
    return 0;
}

/* "# PostgreSQL's port", then "#DB_PORT=5432" */
static void add_setting(struct buf *text, const struct conf_setting *setting)
{
    buf_addf(text, "\n# %s", setting->help);
    for (size_t i = 0; setting->words && setting->words[i]; i++)
        buf_addf(text, "%s%s", i ? ", " : ": ", setting->words[i]);
    buf_addf(text, "\n#%s=%s\n", setting->name, setting->fallback ? setting->fallback : "");
}

/* The group of credentials.d may read the settings too: it is that of the services. */
static void share(int fd, const char *folder)
{
    char *path = xasprintf("%s/credentials.d", folder);
    struct stat status;

    if (stat(path, &status) == 0 && fchown(fd, (uid_t)-1, status.st_gid) < 0)
        msg(MSG_DEBUG, "the group of dist.conf stays: %s", strerror(errno));
    free(path);
}

static int write_settings(int fd, const char *path, struct fault *fault)
{
    struct buf text;

    buf_init(&text, 64 * 1024); /* the table has some 3 KiB */
    buf_adds(&text, "# The settings of dist and their defaults: see dist.conf(5).\n"
                    "# A line without its # holds from the next start on.\n");
    for (const struct conf_setting *setting = conf_settings; setting->name; setting++)
        add_setting(&text, setting);
    int result = fchmod(fd, 0640) < 0 ? fault_errno(fault, errno, "cannot set its mode")
                                      : fdio_write_all(fd, text.data, text.len, fault);
    buf_release(&text);
    return result < 0 ? fault_wrap(fault, "%s", path) : 0;
}

/* A dist.conf that says nothing yet: a program runs as well without one, so to be refused is no fault. */
static int make_settings(const char *folder, struct fault *fault)
{
    char *path = xasprintf("%s/dist.conf", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int result = 0;

    if (fd >= 0) {
        share(fd, folder);
        result = write_settings(fd, path, fault);
        close(fd);
        if (result < 0)
            unlink(path);
        else
            msg(MSG_INFO, "wrote %s", path);
    } else if (errno == EACCES || errno == EPERM || errno == EROFS) {
        msg(MSG_INFO, "%s is not there and cannot be written: %s", path, strerror(errno));
    } else if (errno != EEXIST) {
        result = fault_errno(fault, errno, "cannot make %s", path);
    }
    free(path);
    return result;
}

int admin_folders(const struct tool *tool, struct fault *fault)
{
    static const struct {
        const char *name;
        mode_t mode;
    } folders[] = {{"", 0755},           {"/destinations.d", 0755}, {"/rules.d", 0755},
                   {"/schemas.d", 0755}, {"/transforms.d", 0755},   {"/credentials.d", 0750}};

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *path = xasprintf("%s%s", conf_dir(tool->conf), folders[i].name);
        int result = make_folder(path, folders[i].mode, fault);
        free(path);
        if (result < 0)
            return -1;
    }
    return make_settings(conf_dir(tool->conf), fault);
}
