#!/bin/sh
# liburing-dev and liburing2 2.3-3 of Debian 12 (liburing 2.3): its header has io_uring_register_restrictions() and
# io_uring_enable_rings(), but the shared library has neither, so that a program that calls them can't be linked with it;
# with the static library it can. Seen:
#   shared: undefined reference; static: linked
# The first should be linked, too. Fails when that has changed. (io_uring_register(), which the library has, does both.)
# Needs gcc (Debian: gcc, libc6-dev). Unpacks the packages in a temporary folder.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in liburing-dev liburing2; do
    apt-get download -q "$package=2.3-3" > apt.log 2>&1 || { cat apt.log; exit 1; }
done
for package in *.deb; do
    dpkg-deb -x "$package" unpacked
done
cat > restrict.c <<'END'
#include <liburing.h>
int main(void) {
    struct io_uring ring;
    struct io_uring_params params = {.flags = IORING_SETUP_R_DISABLED};
    struct io_uring_restriction rule = {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP};
    return io_uring_queue_init_params(8, &ring, &params) || io_uring_register_restrictions(&ring, &rule, 1) ||
           io_uring_enable_rings(&ring);
}
END
static=$(find unpacked -name 'liburing.a')
shared=$(find unpacked -name 'liburing.so.2.3*' | head -n 1)
link() {
    if gcc -D_GNU_SOURCE -I unpacked/usr/include restrict.c "$1" -o restrict 2> told; then
        echo linked
    else
        grep -o 'undefined reference' told | head -n 1
    fi
}
seen="shared: $(link "$shared"); static: $(link "$static")"
echo "$seen"
test "$seen" = 'shared: undefined reference; static: linked'
