#!/bin/sh
# fetch.sh DIRECTORY: CPython's own tests into DIRECTORY, from the Debian mirror that this machine's apt uses. Nothing is
# installed, and root is not needed. suite.txt names the version.
set -eu
pins=$(dirname "$0")/suite.txt
python=3.14
# The releases of Debian that have it; this machine's own may be older.
suites='forky sid'

target=$1
part=$target.part
rm -rf "$part"
mkdir -p "$part/lists/partial" "$part/cache/archives/partial" "$part/debs"
part=$(cd "$part" && pwd)

fail() {
    echo "CPython's tests cannot be had: $1; then type \`make test\`" >&2
    exit 1
}
for tool in apt-get dpkg-deb sha256sum; do
    command -v $tool >/dev/null || fail "$tool is missing: use Debian"
done

# An apt of its own: its lists, its cache, and this machine's keys.
apt() {
    apt-get -q -o Dir::State::lists="$part/lists" -o Dir::Cache="$part/cache" -o Dir::Etc::sourcelist="$part/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User="$(id -un)" "$@"
}

mirrors=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | awk '!seen[$0]++')
[ -n "$mirrors" ] || fail 'apt has no source with the component main: add Debian to /etc/apt/sources.list'
# Debian's keys, where a version of Debian does not trust them for every source.
keys=/usr/share/keyrings/debian-archive-keyring.gpg
signed=
[ ! -f $keys ] || signed="[signed-by=$keys]"
for mirror in $mirrors; do
    for suite in $suites; do echo "deb $signed $mirror $suite main"; done >"$part/sources.list"
    if apt update -o APT::Update::Error-Mode=any >"$part/log" 2>&1; then found=yes && break; fi
done
[ "${found:-}" ] || fail "a mirror of Debian has to be reached; none of $(echo $mirrors) gives $suites ($(grep '^E:' "$part/log" | head -n 1))"

version=$(sed -n 's/^version //p' "$pins")
packages="libpython$python-testsuite libpython$python-stdlib"
download() {
    (cd "$part/debs" && apt download $(for package in $packages; do echo "$package$1"; done)) >"$part/log" 2>&1
}
if download "=$version"; then
    grep -v -e '^#' -e '^version ' "$pins" | (cd "$part/debs" && sha256sum --quiet --ignore-missing --check -) \
        || fail 'the digests in suite.txt are of other packages: compare them'
else
    rm -f "$part"/debs/*
    download '' || fail "look at $part/log"
fi
for package in "$part"/debs/*.deb; do
    got=$(dpkg-deb -f "$package" Version)
    dpkg-deb -x "$package" "$part/root"
done
[ "$got" = "$version" ] || echo "CPython's tests: Debian no longer has $version, these are of $got" >&2

mkdir "$part/suite"
mv "$part/root/usr/lib/python$python/test" "$part/suite/test"
echo "$got" >"$part/suite/version"
rm -rf "$target"
mv "$part/suite" "$target"
rm -rf "$part"
