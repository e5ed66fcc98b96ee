#!/bin/sh
# Makes .venv with the stack this machine can run, from pinned and hashed requirements.
# Where it cannot go on it says in one sentence what is missing and how to get it.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'sluice set-up: %s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }

# --- the stack: decided by the platform and its C library ---------------------------------------
platform="$(uname -s)-$(uname -m)"
case "$platform" in
Darwin-arm64) stack=tfx-1.21 ;;
Linux-*)
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc 2\.\([0-9]*\).*/\1/p')
  [ -n "$glibc" ] || stop "TensorFlow needs Linux with glibc, and this one has another C library; use a Debian, Ubuntu or Fedora image."
  if [ "$glibc" -ge 39 ]; then stack=tfx-1.21; else stack=tfx-1.16; fi
  [ "$stack$platform" != "tfx-1.16Linux-aarch64" ] || stop "on 64-bit ARM TFX needs glibc 2.39 or newer and this is 2.$glibc; use Debian 13 or Ubuntu 24.04."
  ;;
*) stop "TFX runs on Linux and on macOS with Apple silicon, and this is $platform; use one of them, or a container." ;;
esac
if [ "$stack" = tfx-1.16 ]; then versions="3.10"; else versions="3.13 3.12 3.11"; fi
if [ "$stack" = tfx-1.21 ] && ! command -v c++ >/dev/null; then
  stop "a C++ compiler is missing; install g++ and the Python headers (Debian: apt-get install g++ python3-dev; macOS: xcode-select --install)."
fi

# --- uv: the machine's own, else one of ours in .uv ----------------------------------------------
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  uv=.uv/bin/uv
  if ! "$uv" --version >/dev/null 2>&1; then
    for python in python3 python "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3*/bin/python; do
      rm -rf .uv
      "$python" -m venv .uv >/dev/null 2>&1 && break
    done
    [ -x .uv/bin/python ] || stop "no Python here can make a virtual environment; install one with its venv module (Debian: apt-get install python3-venv), or install uv."
    .uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt ||
      stop "uv could not be installed from your package index; see pip's message above, or install uv yourself."
  fi
  # uv does not read pip's configuration: hand over the package index, where one is set.
  index=${PIP_INDEX_URL:-$(.uv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
  if [ -n "$index" ]; then UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}; export UV_DEFAULT_INDEX; fi
fi

# --- a Python of that stack ---------------------------------------------------------------------
suits() { # PROGRAM VERSION: does it really run, and is it that version? (a pyenv shim may do neither)
  [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$2" ]
}
find_python() {
  for version in $versions; do
    for candidate in "python$version" python3 python \
      "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version"*/bin/python \
      "/opt/homebrew/opt/python@$version/bin/python$version"; do
      if suits "$candidate" "$version"; then command -v "$candidate"; return; fi
    done
    "$uv" python find --quiet --no-python-downloads "$version" 2>/dev/null && return
  done
  version=${versions%% *}
  say "downloading Python $version, for none was found"
  "$uv" python install --quiet "$version" >/dev/null 2>&1 && "$uv" python find --quiet "$version"
}
python=$(find_python || true)
[ -n "$python" ] || stop "Python $(echo "$versions" | sed 's/ / or /g') is missing, and uv could not download it; install it (pyenv install ${versions%% *}, or your system's package) and call make again."

# --- .venv --------------------------------------------------------------------------------------
suits .venv/bin/python "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" ||
  "$uv" venv --quiet --clear --python "$python" .venv
say "installing $stack for $("$python" --version) (3 GB; some minutes on the first time)"
"$uv" pip install --quiet --python .venv/bin/python --require-hashes --compile-bytecode -r "requirements/$stack.txt" ||
  stop "the requirements could not be installed; see uv's message above."
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m compileall -q pipeline components
say "ready"
