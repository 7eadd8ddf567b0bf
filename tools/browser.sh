#!/bin/sh
# Make sure that a Chromium is here for the browser tests and the README's screenshot. Never fails: the tests say what is
# missing, and in CI they fail for it.
cd "$(dirname "$0")/.." || exit 1
. tools/debian.sh

for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
install_debian_packages chromium fonts-liberation && exit 0
echo "No Chromium here, and it cannot be installed without asking: for the browser tests, install the Debian package chromium." >&2
