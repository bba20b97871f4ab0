#!/bin/sh
# Make sure that model-written code can be run in a sandbox: bubblewrap, else unshare, else a
# container engine. Where none works and we are root, try to install bubblewrap; otherwise say
# what to install. Prints the one that works; exits 1 when there is none.

bubblewrap() {
    bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev true
}

unshared() {
    unshare --user --map-root-user --net --pid --mount --ipc --fork --mount-proc true
}

container() {
    podman info || docker info
}

found() {
    for backend in bubblewrap unshared container; do
        if $backend >/dev/null 2>&1; then
            echo "sandbox: $backend"
            return 0
        fi
    done
    return 1
}

install_bubblewrap() {
    [ "$(id -u)" = 0 ] || return 1
    if command -v apt-get; then apt-get update && apt-get install -y bubblewrap
    elif command -v dnf; then dnf install -y bubblewrap
    elif command -v apk; then apk add bubblewrap
    elif command -v pacman; then pacman -S --noconfirm bubblewrap
    else return 1
    fi
}

found && exit 0
echo "no sandbox yet; trying to install bubblewrap ..."
install_bubblewrap >/dev/null 2>&1
found && exit 0
cat >&2 <<'END'
No sandbox works here, and model-written code is never run without one. Install bubblewrap
(apt install bubblewrap, dnf install bubblewrap, apk add bubblewrap, pacman -S bubblewrap), or
allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1; on Ubuntu 24.04
and later also sysctl kernel.apparmor_restrict_unprivileged_userns=0), or install Podman or Docker
and start it. Inside a container, start that container with permission to make user namespaces.
Then run the same command again.
END
exit 1
