# Sourced by the other scripts: install a Debian package where that is possible without asking anybody.

# install_debian_package NAME: true when it is installed; false, and no word said, when this machine does not allow it.
install_debian_package() {
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" -eq 0 ]; then
        as_root=""
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        return 1
    fi
    echo "Installing the Debian package $1 ..."
    # A machine's package index may be older than the archive: refresh it once, and let apt-get install say what is wrong.
    if [ -z "${RTSM_APT_UPDATED:-}" ]; then
        $as_root apt-get update -qq >/dev/null 2>&1 || true
        RTSM_APT_UPDATED=1
    fi
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1" >/dev/null
}
