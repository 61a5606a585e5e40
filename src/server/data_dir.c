/* SPDX-License-Identifier: Apache-2.0 */
#include "server/data_dir.h"

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Make one directory, and sync the one above it: a power loss must not take away the way to
 * what is durable. It may be there already. */
static bool make_one(const char *path, mode_t mode)
{
    if (mkdir(path, mode) != 0)
        return errno == EEXIST || access(path, F_OK) == 0;
    return file_sync_name(path) == ERR_OK;
}

int data_dir_make(const char *path)
{
    char *made = strdup(path);
    bool there = made != NULL;

    if (!made)
        errno = ENOMEM;
    for (char *at = made ? made + 1 : NULL; there && at && *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        there = make_one(made, 0755);
        *at = '/';
    }
    there = there && make_one(made, 0700);
    free(made);
    return there && access(path, R_OK | W_OK | X_OK) == 0 ? ERR_OK : ERR_IO;
}

/* BASE/MIDDLE/NAME on the heap; a name that is no file's is made one. NULL: out of memory. */
static char *join(const char *base, const char *middle, const char *name)
{
    struct buf path = { 0 };

    buf_printf(&path, "%s%s/", base, middle);
    for (const char *at = name; *at; at++)
        buf_append_u8(&path, (uint8_t)(*at == '/' || (at == name && *at == '.') ? '_' : *at));
    buf_append_u8(&path, 0);
    char *text = path.failed ? NULL : strdup((const char *)path.data);
    buf_finish(&path);
    return text;
}

/* Make one candidate; the path if that went well, else NULL. */
static char *try_dir(char *path)
{
    if (path && data_dir_make(path) == ERR_OK)
        return path;
    free(path);
    return NULL;
}

int data_dir_choose(const char *data, const char *name, char **ret_dir, struct buf *errors)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    *ret_dir = NULL;
    if (strcmp(data, "none") == 0)
        return ERR_OK;
    if (data[0]) {
        char *named = strdup(data);
        *ret_dir = try_dir(named);
        if (!*ret_dir)
            buf_printf(errors, "node.data: %s: cannot be used: %s\n", data, strerror(errno));
        return *ret_dir ? ERR_OK : ERR_IO;
    }
    *ret_dir = try_dir(join("/var/lib", "/plexus", name));
    if (!*ret_dir && state && state[0] == '/')
        *ret_dir = try_dir(join(state, "/plexus", name));
    else if (!*ret_dir && home && home[0] == '/')
        *ret_dir = try_dir(join(home, "/.local/state/plexus", name));
    if (*ret_dir)
        return ERR_OK;
    buf_printf(errors, "neither /var/lib/plexus nor a state directory of the user can be written: "
                       "say where to keep what must survive (--data DIR), or that nothing has to "
                       "(--no-data)\n");
    return ERR_IO;
}
