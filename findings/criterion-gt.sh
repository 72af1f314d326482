#!/bin/sh
# libcriterion-dev 2.4.1-2 of Debian 12 (criterion 2.4.1): gt() of its new assertions is true of equal numbers, so that
# cr_assert(gt(u32, count, 0)) holds where nothing was counted. lt(), with the sides changed, is right, and so are ge(),
# le() and ne(). Seen:
#   gt of 5 and 5 ok, gt of 4 and 5 not ok, lt of 5 and 5 not ok
# The first should be not ok. Fails when that has changed.
# Needs gcc and the libraries that criterion needs (Debian: gcc, libc6-dev, libcriterion3's dependencies). Unpacks the
# packages of criterion in a temporary folder.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in libcriterion-dev libcriterion3; do
    apt-get download -q "$package=2.4.1-2" > apt.log 2>&1 || { cat apt.log; exit 1; }
done
for package in *.deb; do
    dpkg-deb -x "$package" unpacked
done
cat > gt.c <<'END'
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
Test(numbers, gt_of_5_and_5) { cr_assert(gt(int, 5, 5)); }
Test(numbers, gt_of_4_and_5) { cr_assert(gt(int, 4, 5)); }
Test(numbers, lt_of_5_and_5) { cr_assert(lt(int, 5, 5)); }
END
libraries=$(dirname "$(find unpacked -name 'libcriterion.so.3' | head -n 1)")
ln -sf libcriterion.so.3 "$libraries/libcriterion.so"
gcc -I unpacked/usr/include gt.c -L "$libraries" -lcriterion -o gt
LD_LIBRARY_PATH=$libraries ./gt --tap > told 2> /dev/null || true
word() {
    sed -n "s/^\(ok\|not ok\) - numbers::$1 .*/\1/p" told
}
seen="gt of 5 and 5 $(word gt_of_5_and_5), gt of 4 and 5 $(word gt_of_4_and_5), lt of 5 and 5 $(word lt_of_5_and_5)"
echo "$seen"
test "$seen" = 'gt of 5 and 5 ok, gt of 4 and 5 not ok, lt of 5 and 5 not ok'
