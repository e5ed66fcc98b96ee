#!/bin/sh
# requirements/modern.sh COMMAND…: runs COMMAND on the newer stack, TFX 1.21, whatever this machine's own is.
# With glibc 2.39 or newer, and on macOS, that is the checkout as it is. Another Linux gets a Debian 13 in .modern (or in
# $MODERN_ROOT), and COMMAND runs there in a copy of the checkout with a .venv of its own; both are kept for the next call.
# requirements/modern.sh --check: says what is missing for that, and changes nothing.
set -eu
cd "$(dirname "$0")/.."

home=${MODERN_ROOT:-.modern}
debian=$home/debian
checkout=/src/sluice # inside; tests look for the real data sets beside it
packages=ca-certificates,g++,git,make,python3,python3-dev,python3-venv

say() { printf 'newer stack: %s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }

is_here() { # does requirements/install.sh take the newer stack on this machine?
  [ "$(uname -s)" = Linux ] || return 0
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc 2\.\([0-9]*\).*/\1/p')
  [ -z "$glibc" ] || [ "$glibc" -ge 39 ]
}

check() { # can a Debian be made and entered?
  why="TFX 1.21 needs glibc 2.39 and this is 2.$glibc, so it runs in a Debian 13 of its own"
  [ "$(id -u)" = 0 ] || stop "$why, which only root can make; call it as root (sudo make test-modern)."
  for tool in mmdebstrap bwrap rsync; do
    command -v "$tool" >/dev/null || stop "$why, but $tool is missing; install it" \
      "(apt-get install mmdebstrap bubblewrap rsync debian-archive-keyring)."
  done
  bwrap --bind / / --unshare-pid --proc /proc --dev /dev true 2>/dev/null || stop "$why, but bwrap must not mount here;" \
    "give the container that right (docker run --privileged), or use one with Debian 13 or Ubuntu 24.04."
}

make_debian() {
  if [ "$(cat "$debian/made-of" 2>/dev/null)" = "$packages" ]; then return; fi
  say "making a Debian 13 in $home (4 GB with the stack; some minutes on the first time)"
  # Packages come from where this machine gets its own, where that is a mirror of Debian.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' "Origin: Debian" "Label: Debian" 2>/dev/null | head -n 1)
  rm -rf --one-file-system "$debian" "$debian.part"
  mmdebstrap --quiet --variant=minbase --include="$packages" trixie "$debian.part" ${mirror:+"$mirror"} ||
    stop "the Debian could not be made; see mmdebstrap's message above, and whether apt-get update gets through."
  mkdir -p "$debian.part$checkout"
  echo "$packages" >"$debian.part/made-of"
  mv "$debian.part" "$debian"
}

copy_checkout() { # what git does not ignore; what is the same keeps its time, so that make sets up anew only after a change
  rsync --recursive --links --perms --checksum --delete --exclude=/.git --filter=':-p .gitignore' ./ "$debian$checkout"
  rm -rf "$debian$checkout/runs" "$debian$checkout/serving_models" "$debian"/tmp/*
}

enter() { # COMMAND…
  # Names, certificates and the package index are as they are here; of the rest of the environment nothing is.
  for path in /etc/resolv.conf /etc/hosts /etc/ssl/certs /etc/pip.conf /etc/uv "${SSL_CERT_FILE:-}" "${PIP_CERT:-}"; do
    [ ! -e "$path" ] || set -- --ro-bind "$path" "$path" "$@"
  done
  for path in .config/pip .config/uv .pip .netrc; do
    [ ! -e "$HOME/$path" ] || set -- --ro-bind "$HOME/$path" "/root/$path" "$@"
  done
  [ ! -d ../shared/data ] || set -- --ro-bind ../shared/data "${checkout%/*}/shared/data" "$@"
  for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z_0-9]*\)=.*/\1/p'); do
    case $name in
    PATH | TERM | *_proxy | *_PROXY | *INDEX_URL | UV_*INDEX* | UV_NATIVE_TLS | PIP_TRUSTED_HOST | PIP_CERT | SSL_CERT_FILE) ;;
    *) unset "$name" ;;
    esac
  done
  exec bwrap --die-with-parent --unshare-pid --bind "$debian" / --proc /proc --dev /dev --chdir "$checkout" \
    --setenv HOME /root --setenv LANG C.UTF-8 --setenv PATH /usr/sbin:/usr/bin:/sbin:/bin "$@"
}

[ $# -gt 0 ] || stop "give the command to run (make check demo), or --check."
if is_here; then
  [ "$1" = --check ] || exec "$@"
  exit 0
fi
check
[ "$1" != --check ] || exit 0
mkdir -p "$home"
exec 9>"$home/lock"
flock --nonblock 9 || { say "another call is at work in $home; waiting for it to end"; flock 9; }
make_debian
copy_checkout
enter "$@"
