#!/bin/sh
# requirements/modern.sh COMMAND…: runs COMMAND on the newer stack, TFX 1.21, whatever this machine's own is.
# With glibc 2.39 or newer, and on macOS, that is the checkout as it is. Another Linux gets a Debian 13 in .modern (or
# $MODERN_ROOT), and COMMAND runs there in a copy of the checkout, with a .venv of its own; both are kept for the next call.
# requirements/modern.sh --check: says what is missing for that, and changes nothing.
set -eu
cd "$(dirname "$0")/.."

home=${MODERN_ROOT:-.modern}
debian=$home/debian
checkout=/src/sluice # in the root; the tests look for data beside it
packages=ca-certificates,g++,git,make,python3,python3-dev,python3-venv

say() { printf 'newer stack: %s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }

runs_here() { # is it the stack of requirements/install.sh on this machine?
  [ "$(uname -s)" = Linux ] || return 0
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc 2\.\([0-9]*\).*/\1/p')
  [ -z "$glibc" ] || [ "$glibc" -ge 39 ]
}

check() { # can a Debian be made and entered?
  why="this machine's glibc is 2.$glibc and TFX 1.21 needs 2.39, so it runs in a Debian 13 of its own"
  [ "$(id -u)" = 0 ] || stop "$why, which root alone can make; call it as root (sudo make test-modern)."
  for tool in mmdebstrap bwrap rsync; do
    command -v "$tool" >/dev/null ||
      stop "$why, and $tool is missing; apt-get install mmdebstrap bubblewrap rsync debian-archive-keyring"
  done
  bwrap --bind / / --proc /proc --dev /dev true 2>/dev/null ||
    stop "$why, and bwrap may not mount here; give the container that right (Docker: --privileged) or use a Debian 13 image."
}

make_debian() {
  [ "$(cat "$debian/made-of" 2>/dev/null)" != "$packages" ] || return 0
  say "making a Debian 13 in $home (0.5 GB, and 4 GB with the stack)"
  # From where this machine gets its own packages, where that is a Debian mirror.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' "Origin: Debian" "Label: Debian" 2>/dev/null | head -n 1)
  mkdir -p "$home"
  rm -rf --one-file-system "$debian" "$debian.part"
  mmdebstrap --quiet --variant=minbase --include="$packages" trixie "$debian.part" ${mirror:+"$mirror"} ||
    stop "the Debian could not be made; see mmdebstrap's message above."
  mkdir -p "$debian.part$checkout"
  echo "$packages" >"$debian.part/made-of"
  mv "$debian.part" "$debian"
}

copy_checkout() { # what git does not ignore; a file that is the same keeps its time, so that make sees what has changed
  rsync --recursive --links --perms --checksum --delete --exclude=/.git --filter=':-p .gitignore' ./ "$debian$checkout"
  rm -rf "$debian$checkout/runs" "$debian$checkout/serving_models" "$debian"/tmp/*
}

enter() { # COMMAND…
  # Names and certificates as on this machine, and what its administrator or user set for the package index.
  for path in /etc/resolv.conf /etc/hosts /etc/ssl/certs /etc/pip.conf /etc/uv "${SSL_CERT_FILE:-}" "${PIP_CERT:-}"; do
    [ ! -e "$path" ] || set -- --ro-bind "$path" "$path" "$@"
  done
  for path in .config/pip .config/uv .pip .netrc; do
    [ ! -e "$HOME/$path" ] || set -- --ro-bind "$HOME/$path" "/root/$path" "$@"
  done
  [ ! -d ../shared/data ] || set -- --ro-bind ../shared/data "${checkout%/*}/shared/data" "$@"
  for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z_0-9]*\)=.*/\1/p'); do
    case $name in
    TERM | *_proxy | *_PROXY | SSL_CERT_FILE | PIP_CERT | PIP_INDEX_URL | PIP_EXTRA_INDEX_URL | PIP_TRUSTED_HOST | UV_*INDEX* | UV_NATIVE_TLS) ;;
    *) unset "$name" ;;
    esac
  done
  export HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
  exec bwrap --die-with-parent --unshare-pid --bind "$debian" / --proc /proc --dev /dev --chdir "$checkout" "$@"
}

if runs_here; then
  [ "$1" = --check ] || exec "$@"
  exit
fi
check
[ "$1" != --check ] || exit 0
make_debian
copy_checkout
enter "$@"
