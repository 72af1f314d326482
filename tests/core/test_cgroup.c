/* cgroup: limits on memory, read from files as the kernel has them. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/server/cgroup.h"

/* A folder under /tmp with groups of both versions. */
struct tree {
    char root[32];
    char groups[64];
};

static void tree_put(const struct tree *tree, const char *name, const char *text) {
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", tree->root, name);
    FILE *file = fopen(path, "w");
    cr_assert(not(zero(ptr, file)));
    fputs(text, file);
    fclose(file);
}

static void tree_open(struct tree *tree, const char *groups) {
    static const char *const folders[] = {"", "a", "a/b", "memory", "memory/a", "memory/a/b"};
    snprintf(tree->root, sizeof(tree->root), "/tmp/cgroup.XXXXXX");
    cr_assert(not(zero(ptr, mkdtemp(tree->root))));
    for (size_t i = 1; i < sizeof(folders) / sizeof(*folders); i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", tree->root, folders[i]);
        cr_assert(eq(int, mkdir(path, 0700), 0));
    }
    snprintf(tree->groups, sizeof(tree->groups), "%s/groups", tree->root);
    tree_put(tree, "groups", groups);
}

static void tree_close(const struct tree *tree) {
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", tree->root);
    cr_assert(eq(int, system(command), 0));
}

static uint64_t tree_limit(const struct tree *tree) {
    return cgroup_memory_limit(tree->groups, tree->root);
}

Test(cgroup, version_two_and_those_above) {
    struct tree tree;
    tree_open(&tree, "0::/a/b\n");
    cr_assert(eq(u64, tree_limit(&tree), UINT64_MAX));
    tree_put(&tree, "a/b/memory.max", "max\n");
    cr_assert(eq(u64, tree_limit(&tree), UINT64_MAX));
    tree_put(&tree, "a/memory.max", "3000\n");
    cr_assert(eq(u64, tree_limit(&tree), 3000));
    tree_put(&tree, "a/b/memory.max", "2000\n");
    cr_assert(eq(u64, tree_limit(&tree), 2000));
    tree_put(&tree, "memory.max", "1000\n");
    cr_assert(eq(u64, tree_limit(&tree), 1000));
    tree_close(&tree);
}

/* In a container the path is that of its own root. */
Test(cgroup, version_two_at_the_root) {
    struct tree tree;
    tree_open(&tree, "0::/\n");
    tree_put(&tree, "memory.max", "1000\n");
    cr_assert(eq(u64, tree_limit(&tree), 1000));
    tree_close(&tree);
}

Test(cgroup, version_one) {
    struct tree tree;
    tree_open(&tree, "9:name=memory:/a\n4:cpu,memory,pids:/a/b\n1:memoryless:/\n0::/\n");
    tree_put(&tree, "memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    cr_assert(eq(u64, tree_limit(&tree), 9223372036854771712u));
    tree_put(&tree, "memory/memory.limit_in_bytes", "5000\n");
    cr_assert(eq(u64, tree_limit(&tree), 5000));
    tree_put(&tree, "memory/a/memory.limit_in_bytes", "4000\n");
    cr_assert(eq(u64, tree_limit(&tree), 4000));
    tree_close(&tree);
}

Test(cgroup, what_can_not_be_read_is_no_limit) {
    struct tree tree;
    tree_open(&tree, "nonsense\n::\n0:\n5:memory\n0::/nowhere/at/all\n");
    cr_assert(eq(u64, tree_limit(&tree), UINT64_MAX));
    tree_put(&tree, "memory.max", "\n");
    cr_assert(eq(u64, tree_limit(&tree), UINT64_MAX));
    cr_assert(eq(u64, cgroup_memory_limit("/nowhere", tree.root), UINT64_MAX));
    tree_close(&tree);
}
