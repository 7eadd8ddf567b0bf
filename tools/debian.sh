# Sourced by the other scripts: install a Debian package where that is possible without asking anybody.

# install_debian_packages NAME...: true when they are installed; false, and no word said, when this machine does not allow it.
install_debian_packages() {
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" -eq 0 ]; then
        as_root=""
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        return 1
    fi
    echo "Installing the Debian packages: $* ..."
    # The machine's list of packages may be older than the archive. Where that fails, apt-get install says what is wrong.
    $as_root apt-get update -qq >/dev/null 2>&1 || true
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}
